use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, SystemTime};

use parking_lot::{Mutex, MutexGuard, RwLock};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme,
};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::bond::Shown;
use crate::certificate::{expires_at, is_authority, is_of_node};
use crate::limits::{JUDGED_AGAIN, LAST_SECOND};
use crate::{Identity, TlsError, lasts, pem};

/// Whose word on a certificate counts: the authorities of a PEM file, old and new ones while one replaces the other. A clone is the
/// same one. It is what rustls asks about the other side, of connections that are made.
#[derive(Clone)]
pub struct Trust(Arc<File>);

pub(crate) struct File {
    path: PathBuf,
    provider: CryptoProvider,
    /// For which certificate they must vouch.
    own: OnceLock<Identity>,
    /// Neither they nor that changes while the other one does.
    turn: Mutex<()>,
    version: watch::Sender<u64>,
    current: RwLock<Loaded>,
}

#[derive(Clone)]
struct Loaded {
    roots: Arc<RootCertStore>,
    certificates: Vec<CertificateDer<'static>>,
    expires_at: SystemTime,
    servers: Arc<dyn ServerCertVerifier>,
    clients: Arc<dyn ClientCertVerifier>,
}

impl Trust {
    /// The authorities of a PEM file, at least one.
    ///
    /// # Errors
    /// It cannot be read or used.
    pub fn open(file: impl Into<PathBuf>) -> Result<Trust, TlsError> {
        let path = file.into();
        let current = RwLock::new(load(&path)?);
        Ok(Trust(Arc::new(File {
            path,
            provider: ring::default_provider(),
            own: OnceLock::new(),
            turn: Mutex::default(),
            version: watch::Sender::new(0),
            current,
        })))
    }

    /// Reads the file again. `true`: it says something else, which holds for new connections.
    ///
    /// # Errors
    /// As of [`Trust::open`], or nobody in it vouches for a certificate that is [bound](crate::bind) to it, and has somebody who does so
    /// far. What was in use goes on.
    pub fn reload(&self) -> Result<bool, TlsError> {
        let loaded = load(&self.0.path)?;
        if loaded.certificates == self.0.current.read().certificates {
            return Ok(false);
        }
        let _turn = self.turn();
        if let Some(own) = self.0.own.get() {
            let shown = own.shown();
            // One that is no good any more is nothing to wait for.
            if shown.holds() && self.vouches_for(&shown) && !self.vouch(&loaded.roots, &shown) {
                return Err(TlsError::Abandons { ca: self.0.path.clone(), cert: own.file().to_owned() });
            }
        }
        *self.0.current.write() = loaded;
        self.0.version.send_modify(|version| *version += 1);
        Ok(true)
    }

    /// When the last of the authorities ends: the others may be there for as long as they are replaced.
    pub fn expires_at(&self) -> SystemTime {
        self.0.current.read().expires_at
    }

    /// Which file.
    pub fn file(&self) -> &Path {
        &self.0.path
    }

    /// All of its files.
    pub(crate) fn files(&self) -> Vec<&Path> {
        vec![&self.0.path]
    }

    /// How often it has changed so far.
    pub fn version(&self) -> u64 {
        *self.0.version.borrow()
    }

    /// Ends once a client would not be let in any more that has shown this chain: its certificate has ended, or nobody here vouches
    /// for it.
    pub async fn expels(&self, chain: &[CertificateDer<'_>]) {
        let mut changes = self.changes();
        let Some((own, between)) = chain.split_first() else { return };
        while self.verify_client_cert(own, between, UnixTime::now()).is_ok() {
            let lasts = expires_at(own).map_or(Duration::ZERO, lasts) + LAST_SECOND;
            // Whether it has changed or not: it is judged again.
            let _ = timeout(lasts.min(JUDGED_AGAIN), changes.changed()).await;
        }
    }

    /// Changes with them.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.0.version.subscribe()
    }

    /// Ends with the guard.
    pub(crate) fn turn(&self) -> MutexGuard<'_, ()> {
        self.0.turn.lock()
    }

    /// From now on it vouches for that one.
    pub(crate) fn bound_to(&self, own: &Identity) {
        self.0.own.get_or_init(|| own.clone());
    }

    pub(crate) fn downgrade(&self) -> Weak<File> {
        Arc::downgrade(&self.0)
    }

    pub(crate) fn upgrade(weak: &Weak<File>) -> Option<Trust> {
        weak.upgrade().map(Trust)
    }

    /// # Errors
    /// [`TlsError::Unvouched`].
    pub(crate) fn must_vouch_for(&self, shown: &Shown, cert: &Path) -> Result<(), TlsError> {
        let unvouched = || TlsError::Unvouched { cert: cert.to_owned(), ca: self.0.path.clone() };
        self.vouches_for(shown).then_some(()).ok_or_else(unvouched)
    }

    fn vouches_for(&self, shown: &Shown) -> bool {
        let roots = self.0.current.read().roots.clone();
        self.vouch(&roots, shown)
    }

    /// Whether one of these vouches for a certificate, while that holds.
    fn vouch(&self, roots: &RootCertStore, shown: &Shown) -> bool {
        let Some((own, between)) = shown.chain.split_first() else { return false };
        let algorithms = self.0.provider.signature_verification_algorithms.all;
        let vouched = ParsedCertificate::try_from(own).and_then(|own| {
            verify_server_cert_signed_by_trust_anchor(&own, roots, between, shown.at(), algorithms)
        });
        vouched.is_ok()
    }

    fn provider(&self) -> &CryptoProvider {
        &self.0.provider
    }

    /// Whether an authority vouches for a certificate, for servers, of whatever name.
    fn vouches_for_server(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let roots = self.0.current.read().roots.clone();
        let parsed = ParsedCertificate::try_from(certificate)?;
        let algorithms = self.0.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, &roots, intermediates, now, algorithms)
    }
}

fn load(path: &Path) -> Result<Loaded, TlsError> {
    let certificates = pem::certificates(path, &pem::read(path)?)?;
    let broken = |why: &dyn fmt::Display| TlsError::Unusable {
        file: path.to_owned(),
        reason: format!("a certificate in it is none of an authority ({why})"),
    };
    let mut roots = RootCertStore::empty();
    for certificate in &certificates {
        // Of a node's own, webpki would believe whatever its key has signed.
        if !is_authority(certificate) {
            return Err(broken(&"by its basic constraints; give the CA's certificate"));
        }
        roots.add(certificate.clone()).map_err(|error| broken(&error))?;
    }
    let ends = certificates.iter().filter_map(expires_at).max();
    let roots = Arc::new(roots);
    let provider = Arc::new(ring::default_provider());
    let servers = WebPkiServerVerifier::builder_with_provider(roots.clone(), provider.clone()).build();
    let clients = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider).build();
    Ok(Loaded {
        roots,
        certificates,
        expires_at: ends.ok_or_else(|| broken(&"it cannot be read"))?,
        servers: servers.map_err(|error| broken(&error))?,
        clients: clients.map_err(|error| broken(&error))?,
    })
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Trust").field(&self.0.path).finish()
    }
}

/// What all verifiers have in common.
macro_rules! signatures {
    () => {
        fn verify_tls12_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            verify_tls12_signature(
                message,
                cert,
                signature,
                &self.provider().signature_verification_algorithms,
            )
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            verify_tls13_signature(
                message,
                cert,
                signature,
                &self.provider().signature_verification_algorithms,
            )
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.provider().signature_verification_algorithms.supported_schemes()
        }
    };
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let current = self.0.current.read().servers.clone();
        current.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    signatures!();
}

impl ClientCertVerifier for Trust {
    /// None: who has several certificates takes the one that was meant.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let current = self.0.current.read().clients.clone();
        current.verify_client_cert(end_entity, intermediates, now)
    }

    signatures!();
}

/// Nodes among each other: what their authority has given to nodes counts, and nothing that it has given to clients. Of whatever name:
/// who uses it looks at that by itself, once it knows whom it has met.
pub(crate) struct Peers(pub(crate) Trust);

impl Peers {
    fn provider(&self) -> &CryptoProvider {
        self.0.provider()
    }
}

impl fmt::Debug for Peers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ServerCertVerifier for Peers {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.0.vouches_for_server(end_entity, intermediates, now)?;
        must_be_of_node(end_entity).map(|()| ServerCertVerified::assertion())
    }

    signatures!();
}

impl ClientCertVerifier for Peers {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        ClientCertVerifier::root_hint_subjects(&self.0)
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.0.verify_client_cert(end_entity, intermediates, now)?;
        must_be_of_node(end_entity).map(|()| verified)
    }

    signatures!();
}

fn must_be_of_node(certificate: &CertificateDer<'_>) -> Result<(), Error> {
    is_of_node(certificate).then_some(()).ok_or(CertificateError::InvalidPurpose.into())
}
