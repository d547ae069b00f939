//! Who may be connected to the peer port, and for how long. Not tonic's own listener: that one has no limits, and a thousand
//! connections that say nothing take the files that the stores need.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::Status;
use tonic::transport::server::Connected;

use crate::limits;

/// The connections of peers: those over which a member has called, and newcomers, of which nothing is known yet. A newcomer is always
/// let in, in the place of the one that has said nothing for the longest time. So whoever opens many keeps nobody out for
/// longer than it takes to make a call, and takes no member's place.
#[derive(Clone)]
pub(crate) struct Connections(Arc<Inner>);

struct Inner {
    /// Most members' connections, and most newcomers.
    most: (usize, usize),
    open: Mutex<Open>,
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
}

/// One connection, as those see it who serve its calls.
#[derive(Clone)]
pub(crate) struct Ticket {
    connections: Connections,
    id: u64,
}

impl Connections {
    /// So many in all: a quarter of them for newcomers.
    pub(crate) fn new(most: usize) -> Connections {
        let newcomers = (most / 4).max(1);
        Connections(Arc::new(Inner { most: (most - newcomers, newcomers), open: Mutex::default() }))
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
        open.all.insert(id, Known { addr, member: false, called: now, read: now, close: close.clone() });
        drop(open);
        let ticket = Ticket { connections: self.clone(), id };
        Connection { stream, closed: Box::pin(close.cancelled_owned()), ticket }
    }

    /// Closes what has not made a call in time, and what is not there any more.
    fn close_idle(&self) {
        let now = Instant::now();
        self.0.open.lock().all.retain(|_, known| {
            let (since, most) = match known.member {
                true => (known.read, limits::PEER_SILENCE),
                false => (known.called, limits::FIRST_CALL),
            };
            let stays = now.duration_since(since) <= most;
            if !stays {
                tracing::debug!(addr = %known.addr, member = known.member, "an idle connection is closed");
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

    /// A member calls: its connection stays.
    ///
    /// # Errors
    /// Members have all the connections that they may have, and all of them are alive.
    pub(crate) fn is_members(&self) -> Result<(), Status> {
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
            known.member = true;
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
    stream: TcpStream,
    closed: Pin<Box<WaitForCancellationFutureOwned>>,
    ticket: Ticket,
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
        if self.closed.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.ticket.read();
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

const _: () = assert!(Duration::as_millis(&limits::FIRST_CALL) > Duration::as_millis(&limits::WATCH));
