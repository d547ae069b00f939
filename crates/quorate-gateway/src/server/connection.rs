use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::{Version, header};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::leftover::Leftover;
use super::outgoing::Outgoing;
use super::progress::{Idle, InFlight};
use super::slots::{OnlyHealth, Slot};
use super::socket::Socket;
use super::tls::{self, Plain};
use super::watch::Watch;
use crate::head;
use crate::limits::{LINGER, REQUEST_HEAD_BYTES};
use crate::shares::Share;
use crate::trace::Client;

/// One connection.
pub(super) struct Connection {
    pub(super) client: SocketAddr,
    pub(super) slot: Slot,
    pub(super) router: Router,
    pub(super) write_stall: Duration,
    /// A permit for every request on all connections.
    pub(super) requests: Arc<Semaphore>,
    pub(super) shutdown: CancellationToken,
    pub(super) watch: Arc<Watch>,
}

impl Connection {
    /// Serves it to its end, or until it is ended from elsewhere.
    pub(super) async fn serve(self, stream: TcpStream) {
        let (client, end) = (self.client, self.slot.progress.end.clone());
        tokio::select! {
            () = self.serve_all(stream) => {}
            () = end.cancelled() => tracing::debug!(%client, "the client is too slow, or its place is needed"),
        }
    }

    async fn serve_all(self, stream: TcpStream) {
        let (begun, client) = (Instant::now(), self.client);
        // Answers are small and somebody waits for each.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%client, %error, "the connection was gone before its first request");
            return;
        }
        let Some(door) = self.slot.way.door.clone() else {
            let stream = self.plain(stream);
            return self.serve_http(stream, None, begun, std::future::pending()).await;
        };
        let accepting = async {
            let is_tls = tls::begins(&stream).await?;
            let stream = self.plain(stream);
            if is_tls {
                return door.accept(stream).await.map(Some);
            }
            tls::is_asked_for(stream).await;
            Ok(None)
        };
        let accepted = tokio::select! {
            accepted = tokio::time::timeout_at(begun + self.slot.way.header_read, accepting) => accepted,
            () = self.shutdown.cancelled() => return,
        };
        match accepted.unwrap_or_else(|late| Err(late.into())) {
            Ok(Some(stream)) => {
                let (certificate, expelled) = (tls::certificate(&stream), door.expels(&stream));
                self.serve_http(stream, certificate, begun, expelled).await;
            }
            Ok(None) => tracing::debug!(%client, "HTTP without TLS, where TLS is spoken"),
            Err(error) => tracing::debug!(%client, %error, "no secure connection"),
        }
    }

    fn plain(&self, stream: TcpStream) -> Plain {
        let mut stream = TimeoutStream::new(Socket::new(stream, Arc::clone(&self.slot.progress)));
        stream.set_write_timeout(Some(self.write_stall));
        Box::pin(stream)
    }

    /// Serves what comes on a stream that was accepted at `begun`, of a client whose certificate calls it so. Once it is `expelled`,
    /// nothing new is taken.
    async fn serve_http(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        certificate: Option<Arc<str>>,
        begun: Instant,
        expelled: impl Future<Output = ()>,
    ) {
        let Connection { client, slot, router, write_stall: _, requests, shutdown, watch } = self;
        let (header_read, progress) = (slot.way.header_read, &slot.progress);
        let service = hyper::service::service_fn(|mut request: Request<Incoming>| {
            let is_http2 = request.version() == Version::HTTP_2;
            progress.http2.store(is_http2, Ordering::Relaxed);
            if !is_http2 {
                slot.needs_no_http2();
            }
            let is_expelled = progress.expelled.load(Ordering::Relaxed);
            let permit = slot.way.is_usual.then(|| admit(&requests, &mut request)).flatten();
            let has_room = permit.is_some();
            let in_flight = InFlight::new(progress, permit);
            if !has_room {
                request.extensions_mut().insert(OnlyHealth);
            }
            request.extensions_mut().insert(Client { address: client, certificate: certificate.clone() });
            // HTTP/1 has one request a connection, and fewer connections: it is told that there is no room.
            let is_answered = !is_expelled && (has_room || !is_http2);
            let answer =
                is_answered.then(|| router.clone().oneshot(Leftover::of(request, progress, &shutdown)));
            let (progress, watch) = (Arc::clone(progress), Arc::clone(&watch));
            async move {
                let answer = answer.ok_or(h2::Error::from(h2::Reason::REFUSED_STREAM))?;
                let Ok(mut response) = answer.await;
                let share: Option<Arc<Share>> = response.extensions_mut().remove();
                // What is over its caller's share holds nothing of what all share. In HTTP/2, where there may be many on a
                // connection, not even a body.
                let in_flight = if share.is_some() { in_flight } else { in_flight.without_permit() };
                if share.is_none() && is_http2 {
                    *response.body_mut() = Body::empty();
                    response.headers_mut().remove(header::CONTENT_LENGTH);
                }
                Ok::<_, h2::Error>(Outgoing::of(response, progress, watch, (in_flight, share)))
            }
        });
        let mut connection = pin!(slot.way.http.serve_connection(TokioIo::new(stream), service));
        // For who never asks: hyper's timeout for headers begins once it knows the version of HTTP, which it learns from the
        // first bytes. And for idle connections of HTTP/2, which hyper keeps for ever.
        let mut look = pin!(tokio::time::sleep_until(begun + header_read));
        let mut expelled = pin!(expelled);
        let (mut looks, mut is_ending, mut is_expelled) = (true, false, false);
        let ended = loop {
            tokio::select! {
                ended = &mut connection => break ended,
                // What is under way goes on. Who would not hear of the end could ask for more.
                () = &mut expelled, if !is_expelled => {
                    tracing::debug!(%client, "the client would not be let in any more");
                    (looks, is_ending, is_expelled) = (true, true, true);
                    progress.expelled.store(true, Ordering::Relaxed);
                    connection.as_mut().graceful_shutdown();
                    look.as_mut().reset(Instant::now() + LINGER);
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

/// A permit for a request, if there is one. A long head has one of its own, which goes with it: most requests wait without theirs.
fn admit(requests: &Arc<Semaphore>, request: &mut Request<Incoming>) -> Option<OwnedSemaphorePermit> {
    let permit = Arc::clone(requests).try_acquire_owned().ok()?;
    if request.version() == Version::HTTP_2 && head::bytes(request) > REQUEST_HEAD_BYTES {
        let of_head = Arc::clone(requests).try_acquire_owned().ok()?;
        request.extensions_mut().insert(Arc::new(of_head));
    }
    Some(permit)
}
