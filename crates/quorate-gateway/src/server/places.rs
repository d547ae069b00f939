use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::ConnectionLimits;
use crate::limits::{H2_SEND_BYTES, H2_WINDOW_BYTES, HEADER_FIELDS, RESERVED_HEADER_READ};

/// Places for connections. Some are reserved for health checks: a node whose other places are taken must not look like one
/// that is dead. Who has one of those asks once, and quickly.
pub(super) struct Places {
    usual: Room,
    reserved: Room,
}

struct Room {
    places: Arc<Semaphore>,
    is_usual: bool,
    header_read: Duration,
    http: Arc<auto::Builder<TokioExecutor>>,
}

/// A connection's place, until it is dropped.
pub(super) struct Place {
    _place: OwnedSemaphorePermit,
    is_usual: bool,
    /// Longest time to the end of a request's header, from the connection's start or the last answer.
    pub(super) header_read: Duration,
    pub(super) http: Arc<auto::Builder<TokioExecutor>>,
}

impl Place {
    /// False for one on which only health is told.
    pub(super) fn is_usual(&self) -> bool {
        self.is_usual
    }
}

impl Places {
    pub(super) fn new(limits: &ConnectionLimits) -> Places {
        let places = |places: usize| Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS)));
        let quickly = limits.header_read.min(RESERVED_HEADER_READ);
        let mut once = http(limits, quickly).http1_only();
        once.http1().keep_alive(false);
        Places {
            usual: Room {
                places: places(limits.connections),
                is_usual: true,
                header_read: limits.header_read,
                http: Arc::new(http(limits, limits.header_read)),
            },
            reserved: Room {
                places: places(limits.reserved),
                is_usual: false,
                header_read: quickly,
                http: Arc::new(once),
            },
        }
    }

    /// A place, if there is one.
    pub(super) fn take(&self) -> Option<Place> {
        let Room { places, is_usual, header_read, http } = match self.usual.places.available_permits() {
            0 => &self.reserved,
            _ => &self.usual,
        };
        let place = Arc::clone(places).try_acquire_owned().ok()?;
        Some(Place { _place: place, is_usual: *is_usual, header_read: *header_read, http: Arc::clone(http) })
    }
}

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
        .initial_stream_window_size(H2_WINDOW_BYTES)
        .initial_connection_window_size(H2_WINDOW_BYTES)
        .max_send_buf_size(H2_SEND_BYTES)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(header_read)
        .keep_alive_timeout(header_read);
    http
}
