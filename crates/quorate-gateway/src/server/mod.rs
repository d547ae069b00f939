//! The HTTP server around the routes: who may connect, for how long, and how it ends. Not `axum::serve`: that one has no
//! limits against slow clients.

mod connection;
mod crowd;
mod leftover;
mod outgoing;
mod progress;
mod slots;
mod socket;
mod tls;
mod watch;

use std::io;
use std::sync::Arc;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::ConnectionLimits;
use crate::limits::{ACCEPT_PAUSE, DRAIN_LOOK, LINGER};
use crate::memory::Memory;
use connection::Connection;
pub(crate) use slots::OnlyHealth;
use slots::Slots;
pub(crate) use tls::Door;
use watch::Watch;

/// A server. [`crate::Gateway::serve`] runs it.
pub(crate) struct Server {
    pub(crate) router: Router,
    pub(crate) limits: ConnectionLimits,
    /// Through which clients come where TLS is spoken.
    pub(crate) door: Option<Door>,
    /// When it is cancelled, nothing more is accepted, and what is in flight is answered.
    pub(crate) shutdown: CancellationToken,
    /// What requests and answers hold.
    pub(crate) memories: Vec<Arc<Memory>>,
}

impl Server {
    /// Serves HTTP/1.1 and HTTP/2 until shutdown, and then until what was in flight has been answered, or
    /// [`ConnectionLimits::drain`] has passed. A client that is slow does not get so much time.
    pub(crate) async fn run(self, listener: TcpListener) {
        let slots = Slots::new(&self.limits, self.door.as_ref());
        let requests = Arc::new(Semaphore::new(self.limits.requests.min(Semaphore::MAX_PERMITS)));
        let connections = TaskTracker::new();
        let watch = Arc::new(Watch::default());
        let watching = tokio::spawn({
            let (watch, longest) = (Arc::clone(&watch), self.limits.write_stall);
            async move { watch.run(longest).await }
        });
        let mut full = false;
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = self.shutdown.cancelled() => break,
            };
            let (stream, client) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    survive(error).await;
                    continue;
                }
            };
            let was_full = std::mem::replace(&mut full, slots.are_taken());
            if full && !was_full {
                tracing::warn!(
                    connections = self.limits.connections,
                    "no room for more connections: whose address has most of them loses those that are idle"
                );
            }
            // Closed at once, rather than left to wait, a client can turn to another node.
            let Some(slot) = slots.take(client).await else { continue };
            let connection = Connection {
                client,
                slot,
                router: self.router.clone(),
                write_stall: self.limits.write_stall,
                requests: Arc::clone(&requests),
                shutdown: self.shutdown.clone(),
                watch: Arc::clone(&watch),
            };
            connections.spawn(connection.serve(stream));
        }
        drop(listener);
        connections.close();
        let drained = async {
            tokio::select! {
                () = connections.wait() => {}
                () = self.hurry(&watch) => {}
            }
        };
        if tokio::time::timeout(self.limits.drain, drained).await.is_err() {
            tracing::warn!("requests were still in flight when the time to end had passed");
        }
        watching.abort();
    }

    /// Nobody waits for slow clients any more.
    async fn hurry(&self, watch: &Watch) {
        loop {
            tokio::time::sleep(DRAIN_LOOK).await;
            self.memories.iter().for_each(|memory| memory.end_slow());
            watch.end_stalled(LINGER);
        }
    }
}

/// Waits where accepting at once would fail again.
async fn survive(error: io::Error) {
    let of_that_client = matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    );
    if of_that_client {
        return;
    }
    tracing::warn!(%error, "a connection could not be accepted");
    tokio::time::sleep(ACCEPT_PAUSE).await;
}
