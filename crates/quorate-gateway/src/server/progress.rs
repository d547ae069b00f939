use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use parking_lot::Mutex;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::crowd::{Crowd, Place};
use crate::whose::Whose;

/// What a connection's parts outside of hyper know of each other.
#[derive(Debug)]
pub(super) struct Progress {
    /// Cancelled, the connection ends at once: its client is too slow, or its place is needed.
    pub(super) end: CancellationToken,
    /// Something came that belongs to a request which has not been read to its end.
    pub(super) unread: AtomicBool,
    /// Its client would not be let in any more: nothing new is taken.
    pub(super) expelled: AtomicBool,
    /// It speaks HTTP/2.
    pub(super) http2: AtomicBool,
    place: Place,
    requests: Mutex<Requests>,
}

#[derive(Debug)]
struct Requests {
    in_flight: usize,
    /// There was one.
    asked: bool,
    /// When the last one came or ended; before the first, when the connection began.
    last: Instant,
    /// The connection has ended.
    over: bool,
}

/// Whether nobody waits for anything on a connection.
pub(super) enum Idle {
    No,
    /// There was no request yet.
    Never,
    Since(Instant),
}

impl Progress {
    /// Of a connection that begins now.
    pub(super) fn begin(crowd: &Arc<Crowd>, whose: Whose) -> Arc<Progress> {
        let (end, last) = (CancellationToken::new(), Instant::now());
        let place = crowd.enter(whose, last, &end);
        let requests = Mutex::new(Requests { in_flight: 0, asked: false, last, over: false });
        let (unread, http2, expelled) = Default::default();
        Arc::new(Progress { end, unread, http2, expelled, place, requests })
    }

    pub(super) fn idle(&self) -> Idle {
        let requests = self.requests.lock();
        match (requests.in_flight, requests.asked) {
            (0, false) => Idle::Never,
            (0, true) => Idle::Since(requests.last),
            (_, _) => Idle::No,
        }
    }

    /// The connection has ended, whatever is still there of its requests.
    pub(super) fn is_over(&self) {
        let mut requests = self.requests.lock();
        requests.over = true;
        self.place.leave(requests.last);
    }
}

/// A request from its head to the last byte of its answer.
#[derive(Debug)]
pub(super) struct InFlight {
    progress: Arc<Progress>,
    permit: Option<OwnedSemaphorePermit>,
}

impl InFlight {
    pub(super) fn new(progress: &Arc<Progress>, permit: Option<OwnedSemaphorePermit>) -> InFlight {
        let mut requests = progress.requests.lock();
        if requests.in_flight == 0 {
            progress.place.is_busy(requests.last);
        }
        (requests.asked, requests.last) = (true, Instant::now());
        requests.in_flight += 1;
        drop(requests);
        InFlight { progress: Arc::clone(progress), permit }
    }

    /// From now on it holds next to nothing.
    pub(super) fn without_permit(mut self) -> InFlight {
        self.permit = None;
        self
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut requests = self.progress.requests.lock();
        requests.in_flight -= 1;
        requests.last = Instant::now();
        if requests.in_flight == 0 && !requests.over {
            self.progress.place.is_idle(requests.last);
        }
    }
}
