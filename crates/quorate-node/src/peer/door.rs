use std::io;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use quorate_store::NodeId;
use quorate_tls::Handshakes;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use super::roster::Roster;
use super::said::Said;
use super::tls::{Greeted, PeerTls, Shaking};
use super::words;
use crate::limits;

/// Where certificates are asked for.
pub(crate) struct Door {
    acceptor: TlsAcceptor,
    handshakes: Handshakes,
    tls: PeerTls,
    roster: Roster,
    /// Who was turned away lately.
    said: Said,
}

/// By what somebody was let in.
#[derive(Clone, Default)]
pub(super) struct Pass {
    /// Whom it was found to be, by its certificate.
    pub(super) greeted: Arc<OnceLock<Greeted>>,
    /// The member that has called.
    pub(super) caller: Arc<OnceLock<NodeId>>,
    /// The authorities by which it was let in, and until when it may go on by those of before.
    trust: u64,
    until: Option<Instant>,
}

impl Door {
    pub(crate) fn new(tls: &PeerTls, roster: Roster) -> Door {
        let (acceptor, handshakes) = (tls.acceptor(), Handshakes::start());
        Door { acceptor, handshakes, tls: tls.clone(), roster, said: Said::default() }
    }

    /// For who comes now.
    pub(super) fn pass(&self) -> Pass {
        Pass { trust: self.tls.trust.version(), ..Pass::default() }
    }

    pub(super) fn greet(&self, stream: TcpStream) -> Shaking {
        Box::pin(self.handshakes.run(self.acceptor.accept(stream)))
    }

    pub(super) fn turned_away(&self, addr: IpAddr, error: &io::Error) {
        let why = words::of_caller(error);
        if self.said.is_due(&addr.to_string(), &why) {
            tracing::warn!(%addr, "a connection to the port for peers is refused: {why}");
        }
    }

    /// Whether a connection may go on: its certificate lasts, those who vouch for it are believed, or were until lately, and its caller is
    /// still who it may be.
    pub(super) fn admits(&self, pass: &mut Pass, now: Instant) -> bool {
        let trust = self.tls.trust.version();
        if pass.trust != trust {
            (pass.trust, pass.until) = (trust, Some(now + limits::RENEWAL));
        }
        if pass.until.is_some_and(|until| now >= until) {
            return false;
        }
        let Some(Greeted { names, until }) = pass.greeted.get() else { return true };
        let may_speak = pass.caller.get().is_none_or(|id| self.roster.admits(*id, names));
        may_speak && !quorate_tls::lasts(*until).is_zero()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::pin::pin;

    use futures::StreamExt;
    use quorate_tls::rustls::pki_types::ServerName;
    use quorate_tls::testing::{Watched, ca, issue, open, trust};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::peer::connections::Connections;
    use crate::peer::{Identity, Run};

    #[tokio::test]
    #[expect(clippy::disallowed_methods, reason = "this is the edge")]
    async fn hands_are_shaken_beside_everything_else() {
        let (dir, ca) = (tempfile::tempdir().unwrap(), ca());
        issue(dir.path(), &ca, "n1", None);
        let tls = PeerTls { identity: open(dir.path(), "n1").unwrap(), trust: trust(dir.path(), &[&ca]) };
        let identity =
            Identity { node_id: 1, cluster_id: Arc::default(), run: Run::NONE, former: Arc::default() };
        let mut door = Door::new(&tls, Roster::of(identity, "n1", BTreeSet::default()));
        let (mut config, watched) =
            (quorate_tls::peer_server(&tls.identity, &tls.trust), Watched::new(tls.identity.clone()));
        config.cert_resolver = Arc::new(watched.clone());
        door.acceptor = TlsAcceptor::from(Arc::new(config));

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let mut incoming = pin!(Connections::new(4, Some(door)).incoming(listener.into()));
        let calling = tokio::spawn(async move {
            let stream = TcpStream::connect(addr).await.unwrap();
            let name = ServerName::try_from("n1").unwrap();
            let mut stream = tls.connector().connect(name, stream).await.unwrap();
            stream.write_all(b"!").await.unwrap();
            stream
        });
        let mut connection = incoming.next().await.unwrap().unwrap();
        assert_eq!(connection.read_u8().await.unwrap(), b'!');
        assert!(watched.thread().is_some_and(|thread| thread != std::thread::current().id()));
        drop(calling.await);
    }
}
