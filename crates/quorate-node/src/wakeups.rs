use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use quorate_core::QueueId;
use tokio::sync::Notify;

/// Those who wait for a job to be queued. First come, first woken, one for each job; to wait costs nothing.
#[derive(Clone, Default)]
pub(crate) struct Wakeups(Arc<Mutex<BTreeMap<QueueId, Arc<Notify>>>>);

impl Wakeups {
    /// Ends when it is this caller's turn to look for a job. `queued` tells how many are there now: a caller that comes
    /// while there are some does not wait.
    ///
    /// A caller that is woken and goes away before it looked passes its turn on.
    pub(crate) async fn wait(&self, queue: QueueId, queued: impl Fn() -> u64) {
        let notify = Arc::clone(self.0.lock().entry(queue).or_default());
        let mut turn = std::pin::pin!(notify.notified());
        // First in line, then the look: a job that comes in between is not missed.
        turn.as_mut().enable();
        if queued() == 0 {
            turn.await;
        }
    }

    /// So many jobs were queued.
    pub(crate) fn queued(&self, queue: QueueId, jobs: u64) {
        let Some(notify) = self.0.lock().get(&queue).map(Arc::clone) else { return };
        for _ in 0..jobs {
            notify.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use futures::FutureExt;

    use super::*;

    const QUEUE: QueueId = QueueId::DEFAULT;

    #[test]
    fn each_job_wakes_one_in_the_order_of_their_coming() {
        let wakeups = Wakeups::default();
        let mut waiting: Vec<_> = (0..3).map(|_| Box::pin(wakeups.wait(QUEUE, || 0))).collect();
        for waiter in &mut waiting {
            assert!(waiter.as_mut().now_or_never().is_none());
        }
        wakeups.queued(QUEUE, 2);
        let woken: Vec<bool> = waiting.iter_mut().map(|w| w.as_mut().now_or_never().is_some()).collect();
        assert_eq!(woken, [true, true, false]);
    }

    #[test]
    fn who_comes_while_jobs_are_there_does_not_wait() {
        let wakeups = Wakeups::default();
        let jobs = AtomicU64::new(1);
        assert!(wakeups.wait(QUEUE, || jobs.load(Ordering::Relaxed)).now_or_never().is_some());
        jobs.store(0, Ordering::Relaxed);
        assert!(wakeups.wait(QUEUE, || jobs.load(Ordering::Relaxed)).now_or_never().is_none());
    }

    #[test]
    fn a_turn_that_is_not_taken_goes_to_the_next() {
        let wakeups = Wakeups::default();
        let mut first = Box::pin(wakeups.wait(QUEUE, || 0));
        let mut second = Box::pin(wakeups.wait(QUEUE, || 0));
        assert!(first.as_mut().now_or_never().is_none());
        assert!(second.as_mut().now_or_never().is_none());
        wakeups.queued(QUEUE, 1);
        drop(first);
        assert!(second.now_or_never().is_some());
    }

    #[test]
    fn a_job_of_another_queue_wakes_nobody() {
        let wakeups = Wakeups::default();
        let mut waiter = Box::pin(wakeups.wait(QUEUE, || 0));
        assert!(waiter.as_mut().now_or_never().is_none());
        wakeups.queued(QueueId(7), 5);
        assert!(waiter.now_or_never().is_none());
    }
}
