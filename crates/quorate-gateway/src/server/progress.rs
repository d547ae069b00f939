use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// What a connection's parts outside of hyper know of each other.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Cancelled, the connection ends at once: its client is too slow.
    pub(super) end: CancellationToken,
    /// Something came that belongs to a request which has not been read to its end.
    pub(super) unread: AtomicBool,
    /// Its client would not be let in any more: nothing new is taken.
    pub(super) expelled: AtomicBool,
    /// It speaks HTTP/2.
    pub(super) http2: AtomicBool,
    requests: Mutex<Requests>,
}

#[derive(Debug, Default)]
struct Requests {
    in_flight: usize,
    /// When the last one came or ended; `None` before the first.
    last: Option<Instant>,
}

/// Whether nobody waits for anything on a connection.
pub(super) enum Idle {
    No,
    /// There was no request yet.
    Never,
    Since(Instant),
}

impl Progress {
    pub(super) fn idle(&self) -> Idle {
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
    pub(super) fn new(progress: &Arc<Progress>, permits: &Arc<Semaphore>) -> Option<InFlight> {
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
