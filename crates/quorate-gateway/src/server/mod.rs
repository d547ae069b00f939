//! The HTTP server around the routes: who may connect, for how long, and how it ends. Not `axum::serve`: that one has no
//! limits against slow clients.

mod connection;
mod leftover;
mod outgoing;
mod socket;
mod watch;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::limits::{H2_SEND_BYTES, H2_WINDOW_BYTES, LINGER};
use crate::memory::Memory;
use crate::{ConnectionLimits, limits};
use connection::Connection;
use watch::Watch;

/// How long accepting pauses when the process has no file descriptor left for one more connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How often clients are looked for that are slow, while the server ends.
const DRAIN_LOOK: Duration = Duration::from_millis(100);

/// A server. [`crate::Gateway::serve`] runs it.
pub(crate) struct Server {
    pub(crate) router: Router,
    pub(crate) limits: ConnectionLimits,
    /// When it is cancelled, nothing more is accepted, and what is in flight is answered.
    pub(crate) shutdown: CancellationToken,
    /// What requests and answers hold.
    pub(crate) memories: Vec<Arc<Memory>>,
}

impl Server {
    /// Serves HTTP/1.1 and HTTP/2 without TLS until shutdown, and then until what was in flight has been answered, or
    /// [`ConnectionLimits::drain`] has passed. A client that is slow does not get so much time.
    pub(crate) async fn run(self, listener: TcpListener) {
        let http = Arc::new(http(&self.limits));
        let places = Arc::new(Semaphore::new(self.limits.connections.min(Semaphore::MAX_PERMITS)));
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
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                // Closed at once, rather than left to wait, it can turn to another node.
                if !full {
                    tracing::warn!(
                        connections = self.limits.connections,
                        "no room for more connections: closing new ones"
                    );
                }
                full = true;
                continue;
            };
            full = false;
            let connection = Connection {
                client,
                router: self.router.clone(),
                http: Arc::clone(&http),
                limits: self.limits.clone(),
                shutdown: self.shutdown.clone(),
                watch: Arc::clone(&watch),
            };
            connections.spawn(async move {
                connection.serve(stream).await;
                drop(place);
            });
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

fn http(limits: &ConnectionLimits) -> auto::Builder<TokioExecutor> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_read)
        .max_buf_size(limits.header_bytes)
        .max_headers(limits::HEADER_FIELDS);
    http.http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .initial_stream_window_size(H2_WINDOW_BYTES)
        .initial_connection_window_size(H2_WINDOW_BYTES)
        .max_send_buf_size(H2_SEND_BYTES)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(limits.header_read)
        .keep_alive_timeout(limits.header_read);
    http
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
