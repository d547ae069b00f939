use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::Version;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::leftover::Leftover;
use super::outgoing::Outgoing;
use super::places::Place;
use super::socket::Socket;
use super::watch::Watch;
use crate::limits::LINGER;

/// One connection.
pub(super) struct Connection {
    pub(super) client: SocketAddr,
    pub(super) place: Place,
    pub(super) router: Router,
    pub(super) write_stall: Duration,
    /// A permit for every request on all connections.
    pub(super) requests: Arc<Semaphore>,
    pub(super) shutdown: CancellationToken,
    pub(super) watch: Arc<Watch>,
}

/// Stands in the extensions of a request that came when all usual places were taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OnlyHealth;

/// What a connection's parts outside of hyper know of each other.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Cancelled, the connection ends at once: its client is too slow.
    pub(super) end: CancellationToken,
    /// Something came that belongs to a request which has not been read to its end.
    pub(super) unread: AtomicBool,
    /// It speaks HTTP/2.
    http2: AtomicBool,
    requests: Mutex<Requests>,
}

#[derive(Debug, Default)]
struct Requests {
    in_flight: usize,
    /// When the last one came or ended; `None` before the first.
    last: Option<Instant>,
}

/// Whether nobody waits for anything on a connection.
enum Idle {
    No,
    /// There was no request yet.
    Never,
    Since(Instant),
}

impl Progress {
    fn idle(&self) -> Idle {
        let requests = self.requests.lock();
        match requests.last {
            None => Idle::Never,
            Some(_) if requests.in_flight > 0 => Idle::No,
            Some(since) => Idle::Since(since),
        }
    }
}

/// A request from its head to the last byte of its answer.
#[derive(Debug)]
pub(super) struct InFlight {
    progress: Arc<Progress>,
    _permit: OwnedSemaphorePermit,
}

impl InFlight {
    /// `None` when there are too many.
    fn new(progress: &Arc<Progress>, permits: &Arc<Semaphore>) -> Option<InFlight> {
        let permit = Arc::clone(permits).try_acquire_owned().ok();
        let mut requests = progress.requests.lock();
        requests.last = Some(Instant::now());
        let permit = permit?;
        requests.in_flight += 1;
        Some(InFlight { progress: Arc::clone(progress), _permit: permit })
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut requests = self.progress.requests.lock();
        requests.in_flight -= 1;
        requests.last = Some(Instant::now());
    }
}

impl Connection {
    /// Serves it to its end.
    pub(super) async fn serve(self, stream: TcpStream) {
        let Connection { client, place, router, write_stall, requests, shutdown, watch } = self;
        let header_read = place.header_read;
        // Answers are small and somebody waits for each.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%client, %error, "the connection was gone before its first request");
            return;
        }
        let progress = Arc::new(Progress::default());
        let mut stream = TimeoutStream::new(Socket::new(stream, Arc::clone(&progress)));
        stream.set_write_timeout(Some(write_stall));

        let service = hyper::service::service_fn(|mut request: Request<Incoming>| {
            if !place.is_usual() {
                request.extensions_mut().insert(OnlyHealth);
            }
            let in_flight = InFlight::new(&progress, &requests);
            progress.http2.store(request.version() == Version::HTTP_2, Ordering::Relaxed);
            let answer = router.clone().oneshot(Leftover::of(request, &progress, &shutdown));
            let (progress, watch) = (Arc::clone(&progress), Arc::clone(&watch));
            async move {
                // HTTP/1 has one request a connection, and fewer connections.
                let in_flight = in_flight.ok_or(h2::Error::from(h2::Reason::REFUSED_STREAM))?;
                let Ok(response) = answer.await;
                Ok::<_, h2::Error>(Outgoing::of(response, progress, watch, in_flight))
            }
        });
        let mut connection = pin!(place.http.serve_connection(TokioIo::new(Box::pin(stream)), service));
        // For who never asks: hyper's timeout for headers begins once it knows the version of HTTP, which it learns from the
        // first bytes. And for idle connections of HTTP/2, which hyper keeps for ever.
        let mut look = pin!(tokio::time::sleep(header_read));
        let (mut looks, mut is_ending) = (true, false);
        let ended = loop {
            tokio::select! {
                ended = &mut connection => break ended,
                () = progress.end.cancelled() => {
                    tracing::debug!(%client, "the client is too slow");
                    return;
                }
                () = shutdown.cancelled(), if !is_ending => {
                    (looks, is_ending) = (true, true);
                    connection.as_mut().graceful_shutdown();
                    look.as_mut().reset(Instant::now() + LINGER);
                }
                () = &mut look, if looks => match progress.idle() {
                    Idle::Never => return,
                    // It has had its time to end.
                    Idle::Since(_) if is_ending => return,
                    Idle::No if is_ending => look.as_mut().reset(Instant::now() + LINGER),
                    Idle::No | Idle::Since(_) if !progress.http2.load(Ordering::Relaxed) => looks = false,
                    Idle::No => look.as_mut().reset(Instant::now() + header_read),
                    Idle::Since(since) if since.elapsed() < header_read => {
                        look.as_mut().reset(since + header_read);
                    }
                    Idle::Since(_) => {
                        is_ending = true;
                        connection.as_mut().graceful_shutdown();
                        look.as_mut().reset(Instant::now() + LINGER);
                    }
                },
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%client, error, "a connection ended badly");
        }
    }
}
