use std::sync::Weak;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::pki_types::{CertificateDer, UnixTime};

use crate::trust::File;
use crate::{Identity, TlsError, Trust};

/// Keeps a certificate and authorities together, where those to whom it is shown trust the same ones: nodes among each other. From now on
/// neither is replaced in a way that would leave this process alone: no certificate is taken for which none of the authorities in use
/// vouches, and no authorities that do not vouch for the certificate in use.
///
/// # Errors
/// Nobody vouches for it now: [`TlsError::Unvouched`].
pub fn bind(identity: &Identity, trust: &Trust) -> Result<(), TlsError> {
    trust.must_vouch_for(&identity.shown(), identity.file())?;
    identity.judged_by(trust);
    trust.bound_to(identity);
    Ok(())
}

/// Authorities that a certificate does not keep alive.
pub(crate) struct Judge(Weak<File>);

impl Judge {
    pub(crate) fn new(trust: &Trust) -> Judge {
        Judge(trust.downgrade())
    }

    pub(crate) fn trust(&self) -> Option<Trust> {
        Trust::upgrade(&self.0)
    }
}

/// A certificate with those between it and its authority, and from when to when all of them hold.
pub(crate) struct Shown {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) begins: SystemTime,
    pub(crate) ends: SystemTime,
}

impl Shown {
    /// Now, or else the time at which it holds that is nearest: whose it is does not depend on that.
    pub(crate) fn at(&self) -> UnixTime {
        let at = SystemTime::now().max(self.begins).min(self.ends);
        UnixTime::since_unix_epoch(at.duration_since(UNIX_EPOCH).unwrap_or_default())
    }

    pub(crate) fn holds(&self) -> bool {
        (self.begins..self.ends).contains(&SystemTime::now())
    }
}
