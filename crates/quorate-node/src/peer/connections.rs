//! Who may be connected to the peer port, and for how long. Not tonic's own listener: that one has no limits, and a thousand
//! connections that say nothing take the files that the stores need.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::Stream;
use parking_lot::Mutex;
use quorate_store::NodeId;
use quorate_tls::{Handshakes, Names};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::Status;
use tonic::transport::server::Connected;

use super::roster::Roster;
use super::said::Said;
use super::tls::{Greeted, PeerTls, Shaking};
use super::words;
use crate::limits;

/// The connections of peers: those over which a member has called, and newcomers, of which nothing is known yet. A newcomer is always
/// let in, in the place of the one that has said nothing for the longest time. So whoever opens many keeps nobody out for
/// longer than it takes to make a call, and takes no member's place.
#[derive(Clone)]
pub(crate) struct Connections(Arc<Inner>);

struct Inner {
    /// Most members' connections, and most newcomers.
    most: (usize, usize),
    door: Option<Door>,
    open: Mutex<Open>,
}

/// Where certificates are asked for.
pub(crate) struct Door {
    acceptor: TlsAcceptor,
    handshakes: Handshakes,
    tls: PeerTls,
    roster: Roster,
    /// Who was turned away lately.
    said: Said,
}

impl Door {
    pub(crate) fn new(tls: &PeerTls, roster: Roster) -> Door {
        let (acceptor, handshakes) = (tls.acceptor(), Handshakes::start());
        Door { acceptor, handshakes, tls: tls.clone(), roster, said: Said::default() }
    }

    fn turned_away(&self, addr: IpAddr, error: &io::Error) {
        let why = words::of_caller(error);
        if self.said.is_due(&addr.to_string(), &why) {
            tracing::warn!(%addr, "a connection to the port for peers is refused: {why}");
        }
    }

    /// Whether a connection may go on by its certificate: that one lasts, and its caller is still who it may be.
    fn admits(&self, known: &Known) -> bool {
        let Some(Greeted { names, until }) = known.greeted.get() else { return true };
        let may_speak = known.caller.is_none_or(|id| self.roster.admits(id, names));
        may_speak && !quorate_tls::lasts(*until).is_zero()
    }
}

#[derive(Default)]
struct Open {
    next: u64,
    all: HashMap<u64, Known>,
}

/// What is known of a connection.
struct Known {
    addr: IpAddr,
    /// A member has called over it.
    member: bool,
    /// Its last call, or when it was opened.
    called: Instant,
    /// When something came over it last.
    read: Instant,
    close: CancellationToken,
    /// Whom it was found to be, by its certificate.
    greeted: Arc<OnceLock<Greeted>>,
    /// The member that has called.
    caller: Option<NodeId>,
    /// The authorities by which it was let in, and until when it may go on by those of before.
    trust: u64,
    until: Option<Instant>,
}

/// One connection, as those see it who serve its calls.
#[derive(Clone)]
pub(crate) struct Ticket {
    connections: Connections,
    id: u64,
    greeted: Arc<OnceLock<Greeted>>,
}

impl Connections {
    /// So many in all: a quarter of them for newcomers.
    pub(crate) fn new(most: usize, door: Option<Door>) -> Connections {
        let newcomers = (most / 4).max(1);
        Connections(Arc::new(Inner { most: (most - newcomers, newcomers), door, open: Mutex::default() }))
    }

    /// What is accepted.
    pub(crate) fn incoming(
        self,
        listener: TcpListener,
    ) -> impl Stream<Item = io::Result<Connection>> + Send + 'static {
        let mut look = tokio::time::interval(limits::CONNECTIONS_LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        futures::stream::unfold((self, listener, look), |(connections, listener, mut look)| async move {
            loop {
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted,
                    _ = look.tick() => {
                        connections.close_idle();
                        continue;
                    }
                };
                match accepted.and_then(|(stream, from)| stream.set_nodelay(true).map(|()| (stream, from))) {
                    Ok((stream, from)) => {
                        let connection = connections.admit(stream, from.ip());
                        return Some((Ok(connection), (connections, listener, look)));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a peer's connection cannot be accepted");
                        tokio::time::sleep(limits::ACCEPT_PAUSE).await;
                    }
                }
            }
        })
    }

    fn admit(&self, stream: TcpStream, addr: IpAddr) -> Connection {
        let mut open = self.0.open.lock();
        let newcomers = open.all.values().filter(|known| !known.member).count();
        if newcomers >= self.0.most.1 {
            open.close_first(|known| !known.member, |known| known.called);
        }
        let (id, now, close) = (open.next, Instant::now(), CancellationToken::new());
        open.next += 1;
        let greeted = Arc::new(OnceLock::new());
        let known = Known {
            addr,
            member: false,
            called: now,
            read: now,
            close: close.clone(),
            greeted: Arc::clone(&greeted),
            caller: None,
            trust: self.0.door.as_ref().map_or(0, |door| door.tls.trust.version()),
            until: None,
        };
        open.all.insert(id, known);
        drop(open);
        let stream = match &self.0.door {
            None => Way::Open(Box::new(stream)),
            // Whoever says nothing is closed like any other newcomer, and given up there.
            Some(door) => Way::Door(Box::pin(door.handshakes.run(door.acceptor.accept(stream)))),
        };
        let ticket = Ticket { connections: self.clone(), id, greeted };
        Connection { stream, addr, closed: Box::pin(close.cancelled_owned()), ticket }
    }

    /// Closes what has not made a call in time, what is not there any more, and what would not be let in now.
    fn close_idle(&self) {
        let now = Instant::now();
        self.0.open.lock().all.retain(|_, known| {
            let (since, most) = match known.member {
                true => (known.read, limits::PEER_SILENCE),
                false => (known.called, limits::FIRST_CALL),
            };
            let mut stays = now.duration_since(since) <= most;
            if let Some(door) = &self.0.door {
                if known.trust != door.tls.trust.version() {
                    known.trust = door.tls.trust.version();
                    known.until = Some(now + limits::RENEWAL);
                }
                stays &= known.until.is_none_or(|until| now < until) && door.admits(known);
            }
            if !stays {
                tracing::debug!(addr = %known.addr, member = known.member, "a connection is closed");
                known.close.cancel();
            }
            stays
        });
    }
}

impl Open {
    /// Closes the one of these for which that time is the earliest, if there is one.
    fn close_first(&mut self, of: impl Fn(&Known) -> bool, by: impl Fn(&Known) -> Instant) -> bool {
        let first = self.all.iter().filter(|(_, known)| of(known)).min_by_key(|(_, known)| by(known));
        let Some(id) = first.map(|(id, _)| *id) else { return false };
        let closed = self.all.remove(&id);
        closed.inspect(|known| known.close.cancel()).is_some()
    }
}

impl Ticket {
    /// Somebody has called, who may be anybody.
    pub(crate) fn called(&self) {
        if let Some(known) = self.connections.0.open.lock().all.get_mut(&self.id) {
            known.called = Instant::now();
        }
    }

    /// Who is there, by its certificate; `None` where none is asked for.
    pub(crate) fn names(&self) -> Option<&Names> {
        self.greeted.get().map(|greeted| &greeted.names)
    }

    /// A member calls: its connection stays.
    ///
    /// # Errors
    /// Members have all the connections that they may have, and all of them are alive.
    pub(crate) fn is_members(&self, id: NodeId) -> Result<(), Status> {
        let mut open = self.connections.0.open.lock();
        // One that is closed answers no more; its caller will notice.
        let Some(known) = open.all.get(&self.id).filter(|known| !known.member) else { return Ok(()) };
        let (addr, most) = (known.addr, self.connections.0.most.0);
        let members = |open: &Open, addr: Option<IpAddr>| {
            let from = |known: &&Known| known.member && addr.is_none_or(|addr| known.addr == addr);
            open.all.values().filter(from).count()
        };
        let mut room = true;
        if members(&open, Some(addr)) >= most / 2 {
            room = open.close_first(|known| known.is_silent() && known.addr == addr, |known| known.read);
        } else if members(&open, None) >= most {
            room = open.close_first(Known::is_silent, |known| known.read);
        }
        if !room {
            tracing::warn!(%addr, most, "members have too many connections to this node");
            return Err(Status::resource_exhausted("members have too many connections to this node"));
        }
        if let Some(known) = open.all.get_mut(&self.id) {
            (known.member, known.caller) = (true, Some(id));
        }
        Ok(())
    }

    fn read(&self) {
        if let Some(known) = self.connections.0.open.lock().all.get_mut(&self.id) {
            known.read = Instant::now();
        }
    }
}

impl Known {
    /// A member's, over which not even an answered ping has come for a while.
    fn is_silent(&self) -> bool {
        self.member && self.read.elapsed() > 2 * limits::KEEPALIVE + limits::KEEPALIVE_TIMEOUT
    }
}

/// A connection to the peer port. It ends when its place is needed.
pub(crate) struct Connection {
    stream: Way,
    addr: IpAddr,
    closed: Pin<Box<WaitForCancellationFutureOwned>>,
    ticket: Ticket,
}

/// How far it has come in.
enum Way {
    Door(Shaking),
    Open(Box<dyn Socket>),
    Refused,
}

trait Socket: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Socket for S {}

impl Connection {
    /// What there is to read and write, once who has connected has been greeted, and until it is to be closed: HTTP/2 may wait for either
    /// alone.
    fn open(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Pin<&mut dyn Socket>>> {
        if self.closed.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        if let Way::Door(shaking) = &mut self.stream {
            let shaken = ready!(shaking.as_mut().poll(cx));
            let greeted = shaken.and_then(|stream| {
                let greeted = Greeted::by(stream.get_ref().1.peer_certificates())?;
                Ok((stream, greeted))
            });
            match greeted {
                Ok((stream, greeted)) => {
                    self.ticket.greeted.get_or_init(|| greeted);
                    self.stream = Way::Open(Box::new(stream));
                }
                Err(error) => {
                    self.stream = Way::Refused;
                    if let Some(door) = &self.ticket.connections.0.door {
                        door.turned_away(self.addr, &error);
                    }
                    return Poll::Ready(Err(error));
                }
            }
        }
        Poll::Ready(match &mut self.stream {
            Way::Open(stream) => Ok(Pin::new(stream.as_mut())),
            Way::Door(_) | Way::Refused => Err(io::ErrorKind::NotConnected.into()),
        })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.ticket.connections.0.open.lock().all.remove(&self.ticket.id);
    }
}

impl Connected for Connection {
    type ConnectInfo = Ticket;

    fn connect_info(&self) -> Ticket {
        self.ticket.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = ready!(self.open(cx))?.poll_read(cx, buf);
        if buf.filled().len() > before {
            self.ticket.read();
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.open(cx))?.poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.open(cx))?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Way::Open(stream) => Pin::new(stream).poll_shutdown(cx),
            Way::Door(_) | Way::Refused => Poll::Ready(Ok(())),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.open(cx))?.poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        // Of TLS and TCP alike.
        true
    }
}

const _: () = assert!(Duration::as_millis(&limits::FIRST_CALL) > Duration::as_millis(&limits::WATCH));

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::pin::pin;

    use futures::StreamExt;
    use quorate_tls::rustls::pki_types::ServerName;
    use quorate_tls::testing::{Watched, ca, issue, open, trust};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
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
        let mut incoming = pin!(Connections::new(4, Some(door)).incoming(listener));
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
