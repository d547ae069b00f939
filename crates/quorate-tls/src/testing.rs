//! Authorities and certificates for tests.

#![allow(clippy::unwrap_used, missing_docs, reason = "it is part of tests")]

use std::fs;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::thread::ThreadId;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    date_time_ymd,
};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::{Identity, TlsError, Trust};

/// An authority.
pub type Ca = CertifiedIssuer<'static, KeyPair>;

/// Another one, each time.
pub fn ca() -> Ca {
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// Writes `NAME.pem` and `NAME.key` of a node of that name, at 127.0.0.1, until that year.
pub fn issue(dir: &Path, ca: &Ca, name: &str, until: Option<i32>) {
    let mut params = node(name);
    if let Some(year) = until {
        params.not_after = date_time_ymd(year, 1, 1);
    }
    write(dir, name, ca, &params);
}

/// The same, from now on for so long.
pub fn issue_for(dir: &Path, ca: &Ca, name: &str, lasts: Duration) {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.not_after = (SystemTime::now() + lasts).into();
    write(dir, name, ca, &params);
}

/// What a node's certificate has.
pub fn node(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new([name.to_owned(), "127.0.0.1".to_owned()]).unwrap();
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params
}

/// Writes `NAME.pem` and `NAME.key`, of a certificate like that.
pub fn write(dir: &Path, name: &str, ca: &Ca, params: &CertificateParams) {
    let key = KeyPair::generate().unwrap();
    let cert = params.signed_by(&key, ca).unwrap();
    fs::write(dir.join(name).with_extension("pem"), cert.pem()).unwrap();
    fs::write(dir.join(name).with_extension("key"), key.serialize_pem()).unwrap();
}

/// Those two.
pub fn open(dir: &Path, name: &str) -> Result<Identity, TlsError> {
    Identity::open(dir.join(name).with_extension("pem"), dir.join(name).with_extension("key"))
}

/// Writes `ca.pem`.
pub fn trust(dir: &Path, cas: &[&Ca]) -> Trust {
    let file = dir.join("ca.pem");
    fs::write(&file, cas.iter().map(|ca| ca.pem()).collect::<String>()).unwrap();
    Trust::open(file).unwrap()
}

/// A server's certificate that knows on which thread somebody was about to sign with it. Clones know the same.
#[derive(Clone, Debug)]
pub struct Watched {
    identity: Identity,
    thread: Arc<OnceLock<ThreadId>>,
}

impl Watched {
    pub fn new(identity: Identity) -> Watched {
        Watched { identity, thread: Arc::default() }
    }

    /// The first one.
    pub fn thread(&self) -> Option<ThreadId> {
        self.thread.get().copied()
    }
}

impl ResolvesServerCert for Watched {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.thread.get_or_init(|| std::thread::current().id());
        ResolvesServerCert::resolve(&self.identity, hello)
    }
}
