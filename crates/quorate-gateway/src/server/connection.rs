use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpStream;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::leftover::Leftover;
use super::socket::Socket;
use crate::ConnectionLimits;

/// One connection.
pub(super) struct Connection {
    pub(super) client: SocketAddr,
    pub(super) router: Router,
    pub(super) http: Arc<auto::Builder<TokioExecutor>>,
    pub(super) limits: ConnectionLimits,
    pub(super) shutdown: CancellationToken,
}

/// What a connection's parts outside of hyper know of each other.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// A request came.
    pub(super) asked: AtomicBool,
    /// Something came that belongs to a request which has not been read to its end.
    pub(super) unread: AtomicBool,
}

impl Connection {
    /// Serves it to its end.
    pub(super) async fn serve(self, stream: TcpStream) {
        let Connection { client, router, http, limits, shutdown } = self;
        // Answers are small and somebody waits for each.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%client, %error, "the connection was gone before its first request");
            return;
        }
        let progress = Arc::new(Progress::default());
        let mut stream = TimeoutStream::new(Socket::new(stream, Arc::clone(&progress)));
        stream.set_write_timeout(Some(limits.write_stall));

        let service = hyper::service::service_fn(|request: Request<Incoming>| {
            progress.asked.store(true, Ordering::Relaxed);
            router.clone().oneshot(Leftover::of(request, &progress, &shutdown))
        });
        let mut connection = pin!(http.serve_connection(TokioIo::new(Box::pin(stream)), service));
        // hyper's timeout for headers begins once it knows the version of HTTP, which it learns from the first bytes. This
        // one is for clients that never get so far.
        let mut first_request = pin!(tokio::time::sleep(limits.header_read));
        let (mut is_awaited, mut is_ending) = (true, false);
        let ended = loop {
            tokio::select! {
                ended = &mut connection => break ended,
                () = shutdown.cancelled(), if !is_ending => {
                    is_ending = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = &mut first_request, if is_awaited => {
                    is_awaited = false;
                    if !progress.asked.load(Ordering::Relaxed) {
                        return;
                    }
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%client, error, "a connection ended badly");
        }
    }
}
