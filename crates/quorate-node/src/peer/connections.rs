//! Who may be connected to the peer port, and for how long. Not tonic's own listener: that one has no limits, and a thousand
//! connections that say nothing take the files that the stores need.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use parking_lot::Mutex;
use quorate_store::NodeId;
use quorate_tls::Names;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, MissedTickBehavior};
use tonic::Status;

use super::connection::Connection;
use super::crowd::{Crowd, Full, Whose};
use super::door::{Door, Pass};
use super::tls::Greeted;
use crate::limits;

/// The connections of peers.
#[derive(Clone)]
pub(crate) struct Connections(Arc<Inner>);

struct Inner {
    door: Option<Door>,
    crowd: Mutex<Crowd>,
}

/// One connection, as those see it who serve its calls.
#[derive(Clone)]
pub(crate) struct Ticket {
    connections: Connections,
    id: u64,
    addr: IpAddr,
    pass: Pass,
}

impl Connections {
    /// So many in all, through this door.
    pub(crate) fn new(most: usize, door: Option<Door>) -> Connections {
        Connections(Arc::new(Inner { door, crowd: Mutex::new(Crowd::new(most)) }))
    }

    /// What is accepted.
    pub(crate) fn incoming(
        self,
        listener: Arc<TcpListener>,
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
        let door = self.0.door.as_ref();
        let pass = door.map_or_else(Pass::default, Door::pass);
        let (id, close) = self.0.crowd.lock().enter(addr, pass.clone(), Instant::now());
        let ticket = Ticket { connections: self.clone(), id, addr, pass };
        Connection::enter(stream, door, close, ticket)
    }

    fn close_idle(&self) {
        let now = Instant::now();
        let stays = |pass: &mut Pass| self.0.door.as_ref().is_none_or(|door| door.admits(pass, now));
        self.0.crowd.lock().close_idle(now, stays);
    }
}

impl Ticket {
    /// Somebody has called, who may be anybody.
    pub(crate) fn called(&self) {
        self.connections.0.crowd.lock().called(self.id, Instant::now());
    }

    /// Who is there, by its certificate; `None` where none is asked for.
    pub(crate) fn names(&self) -> Option<&Names> {
        self.pass.greeted.get().map(|greeted| &greeted.names)
    }

    /// A member calls: its connection stays.
    ///
    /// # Errors
    /// Members have all the connections that they may have, and all of them are in use.
    pub(crate) fn is_members(&self, id: NodeId) -> Result<(), Status> {
        // Where there are no certificates, anybody could say that he is many.
        let whose = if self.names().is_some() { Whose::Node(id) } else { Whose::at(self.addr) };
        self.connections.0.crowd.lock().is_members(self.id, whose, Instant::now()).map_err(|Full| {
            tracing::warn!(from = id, addr = %self.addr, "members have too many connections to this node");
            Status::resource_exhausted("members have too many connections to this node")
        })?;
        self.pass.caller.get_or_init(|| id);
        Ok(())
    }

    /// Its certificate was looked at.
    pub(super) fn greet(&self, greeted: Greeted) {
        self.pass.greeted.get_or_init(|| greeted);
    }

    pub(super) fn turned_away(&self, error: &io::Error) {
        if let Some(door) = &self.connections.0.door {
            door.turned_away(self.addr, error);
        }
    }

    pub(super) fn read(&self) {
        self.connections.0.crowd.lock().read(self.id, Instant::now());
    }

    pub(super) fn leave(&self) {
        self.connections.0.crowd.lock().leave(self.id);
    }
}

const _: () = assert!(Duration::as_millis(&limits::FIRST_CALL) > Duration::as_millis(&limits::WATCH));
