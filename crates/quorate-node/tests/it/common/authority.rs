//! Certificates, and who makes them.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hyper_util::rt::TokioIo;
use quorate_node::{NodeConfig, PeerTls};
use quorate_tls::rustls::pki_types::ServerName;
use quorate_tls::{Identity, Trust};
use rcgen::ExtendedKeyUsagePurpose::{self, ClientAuth, ServerAuth};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tonic::transport::{Channel, Endpoint, Error, Uri};

use super::Cluster;

/// What a node's certificate is for.
const NODE: &[ExtendedKeyUsagePurpose] = &[ServerAuth, ClientAuth];

/// An authority of nodes, with the directory where their files are.
pub struct Authority {
    dir: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub fn new() -> Authority {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Authority { dir: tempfile::tempdir().unwrap(), issuer }
    }

    /// Three nodes that have certificates.
    pub async fn cluster(&self) -> Cluster {
        let mut cluster = Cluster::tuned(3, |config| self.certify(config));
        cluster.start_all().await;
        cluster
    }

    /// Gives a node its certificate.
    pub fn certify(&self, config: &mut NodeConfig) {
        config.tls = Some(self.issue(&[&config.name]));
    }

    /// A certificate of these names, in files of the first one.
    pub fn issue(&self, names: &[&str]) -> PeerTls {
        self.write(self.dir.path(), names, 2090, NODE);
        self.open(names[0])
    }

    /// One of these names that is for a client: it is nobody's among nodes.
    pub fn client(&self, names: &[&str]) -> PeerTls {
        let dir = self.dir.path().join("clients");
        std::fs::create_dir_all(&dir).unwrap();
        self.write(&dir, names, 2090, &[ClientAuth]);
        std::fs::write(dir.join("ca"), self.issuer.pem()).unwrap();
        open(&dir, names[0])
    }

    /// One that has ended.
    pub fn expired(&self, name: &str) -> PeerTls {
        let dir = self.dir.path().join("expired");
        std::fs::create_dir_all(&dir).unwrap();
        self.write(&dir, &[name], 2001, NODE);
        std::fs::write(dir.join("ca"), self.issuer.pem()).unwrap();
        open(&dir, name)
    }

    /// Another authority gives somebody of this one a new certificate, in the files that there are.
    pub fn reissued_by(&self, other: &Authority, name: &str) {
        other.write(self.dir.path(), &[name], 2090, NODE);
    }

    /// From now on, a node of this name here believes these.
    pub fn trusts(&self, name: &str, all: &[&Authority]) {
        let bundle: String = all.iter().map(|authority| authority.issuer.pem()).collect();
        std::fs::write(self.dir.path().join(format!("{name}.ca")), bundle).unwrap();
    }

    fn open(&self, name: &str) -> PeerTls {
        self.trusts(name, &[self]);
        let at = |kind| self.dir.path().join(format!("{name}.{kind}"));
        PeerTls {
            identity: Identity::open(at("pem"), at("key")).unwrap(),
            trust: Trust::open(at("ca")).unwrap(),
        }
    }

    fn write(&self, dir: &Path, names: &[&str], until: i32, uses: &[ExtendedKeyUsagePurpose]) {
        let mut params =
            CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
        params.extended_key_usages = uses.to_vec();
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        std::fs::write(dir.join(format!("{}.pem", names[0])), cert.pem()).unwrap();
        std::fs::write(dir.join(format!("{}.key", names[0])), key.serialize_pem()).unwrap();
    }
}

fn open(dir: &Path, name: &str) -> PeerTls {
    let identity = Identity::open(dir.join(format!("{name}.pem")), dir.join(format!("{name}.key"))).unwrap();
    PeerTls { identity, trust: Trust::open(dir.join("ca")).unwrap() }
}

/// Connects with a certificate, and believes whoever is there.
pub async fn connect(addr: &str, tls: &PeerTls) -> Result<Channel, Error> {
    let config = quorate_tls::peer_client(&tls.identity, &tls.trust);
    let tls = TlsConnector::from(Arc::new(config));
    let connect = move |to: Uri| {
        let tls = tls.clone();
        async move {
            let stream = TcpStream::connect((to.host().unwrap(), to.port_u16().unwrap())).await?;
            tls.connect(ServerName::try_from("any.name").unwrap(), stream).await.map(TokioIo::new)
        }
    };
    Endpoint::from_shared(format!("http://{addr}"))
        .unwrap()
        .connect_with_connector(tower::service_fn(connect))
        .await
}

/// Somebody who listens with a certificate in another one's place.
pub struct Mask {
    task: JoinHandle<()>,
    open: Arc<AtomicUsize>,
}

impl Mask {
    /// It takes no more connections; those that it has end by themselves.
    pub async fn drop(self) {
        self.task.abort();
        let _ = self.task.await;
    }

    /// The connections that it has.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }
}

/// Listens at an address with a certificate, and passes on what comes to one without.
pub async fn mask(addr: &str, tls: &PeerTls, behind: String) -> Mask {
    let open = Arc::<AtomicUsize>::default();
    let acceptor = TlsAcceptor::from(Arc::new(quorate_tls::peer_server(&tls.identity, &tls.trust)));
    let listener = TcpListener::bind(addr).await.unwrap();
    let all = open.clone();
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, behind, all) = (acceptor.clone(), behind.clone(), all.clone());
            tokio::spawn(async move {
                let Ok(mut outside) = acceptor.accept(stream).await else { return };
                let mut inside = TcpStream::connect(behind).await.unwrap();
                all.fetch_add(1, Ordering::Relaxed);
                let _ = tokio::io::copy_bidirectional(&mut outside, &mut inside).await;
                all.fetch_sub(1, Ordering::Relaxed);
            });
        }
    });
    Mask { task, open }
}
