use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::SystemTime;

use hyper_util::rt::TokioIo;
use quorate_tls::rustls::pki_types::{CertificateDer, ServerName};
use quorate_tls::{Identity, Names, Trust};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, server};
use tonic::transport::Uri;

use super::refusals::Refusals;
use super::words;
use crate::limits;

/// How nodes know each other: the certificate of this one, which bears its name, and who vouches for those of the others. Whoever
/// gives them keeps them fresh ([`quorate_tls::keep_fresh`]).
#[derive(Clone, Debug)]
pub struct PeerTls {
    /// This node's.
    pub identity: Identity,
    /// The authorities of all nodes.
    pub trust: Trust,
}

/// The other side of a connection, by its certificate.
#[derive(Clone, Debug)]
pub(crate) struct Greeted {
    pub(crate) names: Names,
    /// When the certificate ends.
    pub(crate) until: SystemTime,
}

impl PeerTls {
    /// Greets who has connected.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::new(quorate_tls::peer_server(&self.identity, &self.trust)))
    }

    /// Greets whom this node connects to.
    pub(crate) fn connector(&self) -> TlsConnector {
        TlsConnector::from(Arc::new(quorate_tls::peer_client(&self.identity, &self.trust)))
    }

    /// How often either has changed.
    pub(crate) fn version(&self) -> u64 {
        self.identity.version() + self.trust.version()
    }
}

impl Greeted {
    /// By what came out of a handshake.
    pub(crate) fn by(certificates: Option<&[CertificateDer<'_>]>) -> io::Result<Greeted> {
        let first = certificates.and_then(<[_]>::first);
        let greeted = first.and_then(|first| {
            Some(Greeted { names: Names::of(first)?, until: quorate_tls::expires_at(first)? })
        });
        greeted.ok_or_else(|| io::Error::other("a certificate that cannot be read"))
    }
}

/// What is shaking hands, as somebody who has connected.
pub(crate) type Shaking = Pin<Box<dyn Future<Output = io::Result<server::TlsStream<TcpStream>>> + Send>>;

/// Whom a connection is to reach.
#[derive(Clone, Debug)]
pub(crate) enum Meant {
    /// The node of this name.
    Named(String),
    /// Whoever is there. All connections of one channel reach the same: the first one says who it is.
    Anybody(Arc<OnceLock<Names>>),
}

/// Connects to a peer by TLS.
#[derive(Clone)]
pub(crate) struct Connector {
    tls: PeerTls,
    connector: TlsConnector,
    meant: Meant,
    refusals: Refusals,
}

impl Connector {
    pub(crate) fn new(tls: PeerTls, connector: TlsConnector, meant: Meant, refusals: Refusals) -> Connector {
        Connector { tls, connector, meant, refusals }
    }

    #[expect(clippy::disallowed_methods, reason = "this is the edge")]
    pub(crate) async fn connect(self, to: Uri) -> io::Result<TokioIo<Outgoing>> {
        let (Some(host), Some(port), Some(addr)) = (to.host(), to.port_u16(), to.authority()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let (host, addr) = (host.trim_start_matches('[').trim_end_matches(']'), addr.as_str());
        let stream = TcpStream::connect((host, port)).await.inspect_err(|_| self.refusals.forget(addr))?;
        stream.set_nodelay(true)?;
        let greeted = self.greet(stream, addr).await;
        greeted.map(TokioIo::new).inspect_err(|error| {
            if let Some(why) = words::of_called(error) {
                self.refusals.note(addr, why);
            }
        })
    }

    async fn greet(&self, stream: TcpStream, addr: &str) -> io::Result<Outgoing> {
        let trust = self.tls.trust.version();
        // It is not sent, and the name is looked at below.
        let nobody = ServerName::from(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let stream = self.connector.connect(nobody, stream).await?;
        let Greeted { names, until } = Greeted::by(stream.get_ref().1.peer_certificates())?;
        let is_meant = match &self.meant {
            Meant::Named(name) => names.bear(name),
            Meant::Anybody(met) => *met.get_or_init(|| names.clone()) == names,
        };
        if !is_meant {
            return Err(io::Error::other(Stranger { names, meant: self.meant.clone() }));
        }
        let outlived = outlived(self.tls.trust.clone(), trust, until);
        let (addr, refusals) = (addr.to_owned(), self.refusals.clone());
        Ok(Outgoing { stream, addr, refusals, outlived: Some(Box::pin(outlived)), failed: None })
    }
}

/// Ends when a connection may not go on that was made by these authorities, with somebody whose certificate ends then: as those do that
/// others have made.
async fn outlived(trust: Trust, version: u64, until: SystemTime) {
    while !quorate_tls::lasts(until).is_zero() {
        if trust.version() != version {
            return tokio::time::sleep(limits::RENEWAL).await;
        }
        tokio::time::sleep(limits::CONNECTIONS_LOOK).await;
    }
}

/// A connection to a peer, for as long as it may go on.
pub(crate) struct Outgoing {
    stream: TlsStream<TcpStream>,
    addr: String,
    refusals: Refusals,
    /// Gone once it may not.
    outlived: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    /// Why writing has failed, and until when the other side may say more of that.
    failed: Option<(io::Error, Pin<Box<Sleep>>)>,
}

impl Outgoing {
    fn open(&mut self, cx: &mut Context<'_>) -> io::Result<Pin<&mut TlsStream<TcpStream>>> {
        if self.outlived.as_mut().is_none_or(|outlived| outlived.as_mut().poll(cx).is_ready()) {
            self.outlived = None;
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(Pin::new(&mut self.stream))
    }

    /// Notes why the other side refuses, where it is that.
    fn note(&self, error: &io::Error) {
        if let Some(why) = words::of_refusal(error) {
            self.refusals.note(&self.addr, why);
        }
    }

    /// Where writing fails already, what the other side said is still to be read: the system may have it, and not have told yet.
    fn write_or_hear<T>(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut TlsStream<TcpStream>>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let (error, mut late) = match self.failed.take() {
            Some(failed) => failed,
            None => match write(self.open(cx)?, cx) {
                Poll::Ready(Err(error)) => (error, Box::pin(tokio::time::sleep(limits::LAST_WORD))),
                done => return done,
            },
        };
        let said = Pin::new(&mut self.stream).poll_read(cx, &mut ReadBuf::new(&mut [0]));
        if let Poll::Ready(Err(said)) = &said {
            self.note(said);
        }
        if said.is_pending() && late.as_mut().poll(cx).is_pending() {
            self.failed = Some((error, late));
            return Poll::Pending;
        }
        Poll::Ready(Err(error))
    }
}

impl AsyncRead for Outgoing {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = self.open(cx)?.poll_read(cx, buf);
        if let Poll::Ready(Err(error)) = &read {
            self.note(error);
        }
        read
    }
}

impl AsyncWrite for Outgoing {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.write_or_hear(cx, |stream, cx| stream.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write_or_hear(cx, |stream, cx| stream.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.write_or_hear(cx, |stream, cx| stream.poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Who is there has another certificate.
#[derive(Debug)]
struct Stranger {
    names: Names,
    meant: Meant,
}

impl std::error::Error for Stranger {}

impl fmt::Display for Stranger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "its certificate is of {}, and {} is meant", self.names, self.meant)
    }
}

impl fmt::Display for Meant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Meant::Named(name) => name,
            Meant::Anybody(_) => "whoever was there before",
        })
    }
}

/// Whether who listens there takes the beginning of HTTP/2 for a broken handshake: the answer is an alert of TLS.
#[expect(clippy::disallowed_methods, reason = "this is the edge")]
pub(crate) async fn speaks_tls(addr: &str) -> io::Result<bool> {
    let asked = async {
        let mut stream = TcpStream::connect(addr).await?;
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await?;
        Ok(stream.read_u16().await? == 0x15_03)
    };
    tokio::time::timeout(limits::ASK, asked).await.unwrap_or(Ok(false))
}

#[cfg(test)]
mod tests {
    use quorate_tls::testing::{ca, issue, open, trust};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn what_the_other_side_said_is_heard_where_writing_fails() {
        let (dir, ca) = (tempfile::tempdir().unwrap(), ca());
        issue(dir.path(), &ca, "n1", None);
        issue(dir.path(), &ca, "n2", Some(2000));
        let of =
            |name| PeerTls { identity: open(dir.path(), name).unwrap(), trust: trust(dir.path(), &[&ca]) };
        let (called, caller) = (of("n1"), of("n2"));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap().to_string();
        listener.set_nonblocking(true).unwrap();
        let refusing = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let (stream, _) = TcpListener::from_std(listener).unwrap().accept().await.unwrap();
                called.acceptor().accept(stream).await.map(drop).unwrap_err()
            })
        });

        let (refusals, meant) = (Refusals::default(), Meant::Named("n1".into()));
        let connector = Connector::new(caller.clone(), caller.connector(), meant, refusals.clone());
        let made = connector.connect(format!("http://{addr}").parse().unwrap()).await;
        // The runtime sees nothing of what comes in meanwhile.
        refusing.join().unwrap();
        let mut connection = made.unwrap().into_inner();
        while connection.write_all(b"!").await.is_ok() {}
        assert!(refusals.of(&addr).unwrap().contains("it has expired"));
    }
}
