use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::RwLock;
use rustls::client::{ResolvesClientCert, verify_server_name};
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys, SignatureScheme};
use x509_parser::prelude::ASN1Time;

use crate::bond::{Judge, Shown};
use crate::certificate::{begins_at, expires_at, is_of_node};
use crate::{Names, TlsError, Trust, date, pem};

/// Who this process is: a certificate with those that vouch for it, and its key. A clone is the same one.
#[derive(Clone)]
pub struct Identity(Arc<Files>);

struct Files {
    cert: PathBuf,
    key: PathBuf,
    /// Which it must bear.
    name: Option<String>,
    /// Who must vouch for it.
    judge: OnceLock<Judge>,
    version: AtomicU64,
    current: RwLock<Loaded>,
}

#[derive(Clone)]
struct Loaded {
    certified: Arc<CertifiedKey>,
    names: Names,
    begins_at: ASN1Time,
    expires_at: SystemTime,
}

impl Identity {
    /// That of two PEM files: the certificate, its issuers behind it, and the key. One that has expired, or is not valid
    /// yet, is taken, too.
    ///
    /// # Errors
    /// One cannot be read or used, or they do not belong together.
    pub fn open(cert: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Result<Identity, TlsError> {
        Identity::read(cert.into(), key.into(), None)
    }

    /// The same, of the node that has this name, now and when the files change.
    ///
    /// # Errors
    /// As of [`Identity::open`], or the certificate does not bear the name, or is none of a node.
    pub fn of(name: &str, cert: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Result<Identity, TlsError> {
        Identity::read(cert.into(), key.into(), Some(name.to_owned()))
    }

    fn read(cert: PathBuf, key: PathBuf, name: Option<String>) -> Result<Identity, TlsError> {
        let current = RwLock::new(load(&cert, &key, name.as_deref())?);
        Ok(Identity(Arc::new(Files {
            cert,
            key,
            name,
            judge: OnceLock::new(),
            version: AtomicU64::new(0),
            current,
        })))
    }

    /// Reads the files again. `true`: there is a new certificate, which new connections use.
    ///
    /// # Errors
    /// As of [`Identity::open`], or the new one has expired, or is not valid yet, or nobody vouches for it to whom it is
    /// [bound](crate::bind). The one that was in use goes on.
    pub fn reload(&self) -> Result<bool, TlsError> {
        self.reload_at(SystemTime::now())
    }

    pub(crate) fn reload_at(&self, now: SystemTime) -> Result<bool, TlsError> {
        let loaded = load(&self.0.cert, &self.0.key, self.0.name.as_deref())?;
        if loaded.certified.cert == self.0.current.read().certified.cert {
            return Ok(false);
        }
        if loaded.expires_at <= now {
            return Err(TlsError::Expired { file: self.0.cert.clone() });
        }
        let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        if u64::try_from(loaded.begins_at.timestamp()).is_ok_and(|begins| begins > seconds) {
            let from = loaded.begins_at.to_string();
            return Err(TlsError::NotYet { file: self.0.cert.clone(), from });
        }
        let trust = self.0.judge.get().and_then(Judge::trust);
        let _turn = trust.as_ref().map(Trust::turn);
        if let Some(trust) = &trust {
            trust.must_vouch_for(&loaded.shown(), &self.0.cert)?;
        }
        *self.0.current.write() = loaded;
        self.0.version.fetch_add(1, Ordering::Relaxed);
        Ok(true)
    }

    /// For which names the certificate was made.
    pub fn names(&self) -> Names {
        self.0.current.read().names.clone()
    }

    /// When the first of the chain ends.
    pub fn expires_at(&self) -> SystemTime {
        self.0.current.read().expires_at
    }

    /// The file of the certificate.
    pub fn file(&self) -> &Path {
        &self.0.cert
    }

    /// All of its files.
    pub(crate) fn files(&self) -> Vec<&Path> {
        vec![&self.0.cert, &self.0.key]
    }

    /// Whether a client that calls its server by this name, or address, takes the certificate for that server's.
    pub fn is_for(&self, host: &str) -> bool {
        let Ok(name) = ServerName::try_from(host.trim_matches(['[', ']'])) else { return false };
        let certified = self.certified();
        let own = certified.end_entity_cert().and_then(ParsedCertificate::try_from);
        own.and_then(|own| verify_server_name(&own, &name)).is_ok()
    }

    /// Says in the log that the certificate does not hold yet, where that is so; `of`: what it is used for.
    pub fn warn_if_early(&self, of: &'static str) {
        let begins = self.0.current.read().begins();
        if begins > SystemTime::now() {
            tracing::warn!(
                of, file = %self.0.cert.display(), from = date(begins),
                "the certificate does not hold yet, and nobody takes it: wait until then, see to this machine's clock, or put another one there"
            );
        }
    }

    /// From now on these must vouch for it.
    pub(crate) fn judged_by(&self, trust: &Trust) {
        self.0.judge.get_or_init(|| Judge::new(trust));
    }

    /// The certificate in use.
    pub(crate) fn shown(&self) -> Shown {
        self.0.current.read().shown()
    }

    /// The file of its key.
    pub fn key_file(&self) -> &Path {
        &self.0.key
    }

    /// How often it has changed so far.
    pub fn version(&self) -> u64 {
        self.0.version.load(Ordering::Relaxed)
    }

    fn certified(&self) -> Arc<CertifiedKey> {
        self.0.current.read().certified.clone()
    }
}

impl Loaded {
    fn begins(&self) -> SystemTime {
        let seconds = u64::try_from(self.begins_at.timestamp()).unwrap_or(0);
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn shown(&self) -> Shown {
        Shown { chain: self.certified.cert.clone(), begins: self.begins(), ends: self.expires_at }
    }
}

fn load(cert: &Path, key: &Path, name: Option<&str>) -> Result<Loaded, TlsError> {
    let chain = pem::certificates(cert, &pem::read(cert)?)?;
    let private = pem::key(key, &pem::read(key)?)?;
    let broken =
        || TlsError::Unusable { file: cert.to_owned(), reason: "a certificate in it is broken".to_owned() };
    let names = chain.first().and_then(Names::of).ok_or_else(broken)?;
    if let Some(name) = name.filter(|name| !names.bear(name)) {
        return Err(TlsError::Unnamed { file: cert.to_owned(), name: name.to_owned() });
    }
    if name.is_some() && !chain.first().is_some_and(is_of_node) {
        return Err(TlsError::NotOfNode { file: cert.to_owned() });
    }
    let ends: Option<Vec<_>> = chain.iter().map(expires_at).collect();
    let expires_at = ends.and_then(|ends| ends.into_iter().min()).ok_or_else(broken)?;
    let begins: Option<Vec<_>> = chain.iter().map(begins_at).collect();
    let begins_at = begins.and_then(|begins| begins.into_iter().max()).ok_or_else(broken)?;
    let certified = CertifiedKey::from_der(chain, private, &ring::default_provider());
    let certified = certified.map_err(|error| match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            TlsError::AnotherKey { cert: cert.to_owned(), key: key.to_owned() }
        }
        Error::InvalidCertificate(why) => TlsError::Unusable {
            file: cert.to_owned(),
            reason: format!("this certificate cannot be used ({why}); make another one"),
        },
        // Of a key, rustls says what kind it cannot use, never what is in it.
        error => TlsError::Unusable {
            file: key.to_owned(),
            reason: format!("this key cannot be used ({error}); make an ECDSA, Ed25519 or RSA key"),
        },
    })?;
    Ok(Loaded { certified: Arc::new(certified), names, begins_at, expires_at })
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("file", &self.0.cert)
            .field("names", &self.names())
            .finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Identity {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.certified())
    }
}

impl ResolvesClientCert for Identity {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.certified())
    }

    fn has_certs(&self) -> bool {
        true
    }
}
