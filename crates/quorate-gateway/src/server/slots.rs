use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::crowd::Crowd;
use super::progress::Progress;
use super::tls::Door;
use crate::ConnectionLimits;
use crate::limits::{H2_RESETS_WAITING, H2_SEND_BYTES, H2_WINDOW_BYTES, HEADER_FIELDS, RESERVED_HEADER_READ};
use crate::whose::Whose;

/// Slots for connections. Some are reserved for health checks: a node whose other slots are taken must not look like one
/// that is dead. Who has one of those asks once, and quickly.
pub(super) struct Slots {
    usual: Arc<Semaphore>,
    reserved: Arc<Semaphore>,
    /// For those of the usual ones that may speak HTTP/2.
    http2: Arc<Semaphore>,
    crowd: Arc<Crowd>,
    either: Arc<Way>,
    http1: Arc<Way>,
    once: Arc<Way>,
}

/// How a connection is served.
pub(super) struct Way {
    /// False where only health is told.
    pub(super) is_usual: bool,
    /// Longest time to the end of a request's header, from the connection's start or the last answer.
    pub(super) header_read: Duration,
    pub(super) http: auto::Builder<TokioExecutor>,
    pub(super) door: Option<Door>,
}

/// A connection's slot, until it is dropped.
pub(super) struct Slot {
    pub(super) way: Arc<Way>,
    pub(super) progress: Arc<Progress>,
    http2: Mutex<Option<OwnedSemaphorePermit>>,
    _permit: OwnedSemaphorePermit,
}

impl Slot {
    /// Its client has chosen HTTP/1: another one may have HTTP/2.
    pub(super) fn needs_no_http2(&self) {
        self.http2.lock().take();
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // Before its permit comes free: who waits for that one must not wait for this connection again.
        self.progress.is_over();
    }
}

impl Slots {
    pub(super) fn new(limits: &ConnectionLimits, door: Option<&Door>) -> Slots {
        let permits = |slots: usize| Arc::new(Semaphore::new(slots.min(Semaphore::MAX_PERMITS)));
        let quickly = limits.header_read.min(RESERVED_HEADER_READ);
        let mut once = http(limits, quickly).http1_only();
        once.http1().keep_alive(false);
        let way = |is_usual, header_read, http, door: Option<&Door>| {
            Arc::new(Way { is_usual, header_read, http, door: door.cloned() })
        };
        let (header_read, for_http1) = (limits.header_read, door.map(Door::for_http1));
        Slots {
            usual: permits(limits.connections),
            reserved: permits(limits.reserved),
            http2: permits(limits.http2),
            crowd: Arc::default(),
            either: way(true, header_read, http(limits, header_read), door),
            http1: way(true, header_read, http(limits, header_read).http1_only(), for_http1.as_ref()),
            once: way(false, quickly, once, for_http1.as_ref()),
        }
    }

    /// True while all usual ones are taken.
    pub(super) fn are_taken(&self) -> bool {
        self.usual.available_permits() == 0
    }

    /// A slot for a connection from there, if there is one.
    pub(super) async fn take(&self, client: SocketAddr) -> Option<Slot> {
        let whose = Whose::at(client.ip());
        let (permit, http2, way) = match self.usual(&whose).await {
            Some(permit) => match Arc::clone(&self.http2).try_acquire_owned() {
                Ok(http2) => (permit, Some(http2), &self.either),
                Err(_) => (permit, None, &self.http1),
            },
            None => (Arc::clone(&self.reserved).try_acquire_owned().ok()?, None, &self.once),
        };
        // Who has a reserved one takes nobody's place, and loses it to nobody.
        let crowd = if way.is_usual { Arc::clone(&self.crowd) } else { Arc::default() };
        let progress = Progress::begin(&crowd, whose);
        Some(Slot { way: Arc::clone(way), progress, http2: Mutex::new(http2), _permit: permit })
    }

    async fn usual(&self, whose: &Whose) -> Option<OwnedSemaphorePermit> {
        match Arc::clone(&self.usual).try_acquire_owned() {
            Ok(permit) => Some(permit),
            Err(_) if !self.crowd.make_room_for(whose) => None,
            // What is ended gives its permit back as soon as its task runs.
            Err(_) => Arc::clone(&self.usual).acquire_owned().await.ok(),
        }
    }
}

/// Stands in the extensions of a request for which there is no room: it came when all usual slots, or all requests, were taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OnlyHealth;

fn http(limits: &ConnectionLimits, header_read: Duration) -> auto::Builder<TokioExecutor> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(header_read)
        .max_buf_size(limits.header_bytes)
        .max_headers(HEADER_FIELDS);
    http.http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_pending_accept_reset_streams(H2_RESETS_WAITING)
        .initial_stream_window_size(H2_WINDOW_BYTES)
        .initial_connection_window_size(H2_WINDOW_BYTES)
        .max_send_buf_size(H2_SEND_BYTES)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(header_read)
        .keep_alive_timeout(header_read);
    http
}
