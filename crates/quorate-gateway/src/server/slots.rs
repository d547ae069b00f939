use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::tls::Door;
use crate::ConnectionLimits;
use crate::limits::{H2_SEND_BYTES, H2_WINDOW_BYTES, HEADER_FIELDS, RESERVED_HEADER_READ};

/// Slots for connections. Some are reserved for health checks: a node whose other slots are taken must not look like one
/// that is dead. Who has one of those asks once, and quickly.
pub(super) struct Slots {
    usual: Room,
    reserved: Room,
}

struct Room {
    permits: Arc<Semaphore>,
    is_usual: bool,
    header_read: Duration,
    http: Arc<auto::Builder<TokioExecutor>>,
    door: Option<Door>,
}

/// A connection's slot, until it is dropped.
pub(super) struct Slot {
    _permit: OwnedSemaphorePermit,
    is_usual: bool,
    /// Longest time to the end of a request's header, from the connection's start or the last answer.
    pub(super) header_read: Duration,
    pub(super) http: Arc<auto::Builder<TokioExecutor>>,
    pub(super) door: Option<Door>,
}

impl Slot {
    /// False for one on which only health is told.
    pub(super) fn is_usual(&self) -> bool {
        self.is_usual
    }
}

impl Slots {
    pub(super) fn new(limits: &ConnectionLimits, door: Option<&Door>) -> Slots {
        let permits = |slots: usize| Arc::new(Semaphore::new(slots.min(Semaphore::MAX_PERMITS)));
        let quickly = limits.header_read.min(RESERVED_HEADER_READ);
        let mut once = http(limits, quickly).http1_only();
        once.http1().keep_alive(false);
        Slots {
            usual: Room {
                permits: permits(limits.connections),
                is_usual: true,
                header_read: limits.header_read,
                http: Arc::new(http(limits, limits.header_read)),
                door: door.cloned(),
            },
            reserved: Room {
                permits: permits(limits.reserved),
                is_usual: false,
                header_read: quickly,
                http: Arc::new(once),
                door: door.map(Door::for_http1),
            },
        }
    }

    /// A slot, if there is one.
    pub(super) fn take(&self) -> Option<Slot> {
        let Room { permits, is_usual, header_read, http, door } = match self.usual.permits.available_permits()
        {
            0 => &self.reserved,
            _ => &self.usual,
        };
        let permit = Arc::clone(permits).try_acquire_owned().ok()?;
        let (http, door) = (Arc::clone(http), door.clone());
        Some(Slot { _permit: permit, is_usual: *is_usual, header_read: *header_read, http, door })
    }
}

/// Stands in the extensions of a request that came when all usual slots were taken.
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
        .initial_stream_window_size(H2_WINDOW_BYTES)
        .initial_connection_window_size(H2_WINDOW_BYTES)
        .max_send_buf_size(H2_SEND_BYTES)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(header_read)
        .keep_alive_timeout(header_read);
    http
}
