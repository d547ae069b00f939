use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use quorate_core::{Answered, QueueId, Reply, Status};
use quorate_store::{Applied, ApplyObserver, Reader};
use tokio::sync::watch;

use crate::clock::LogClock;
use crate::pending::Pending;
use crate::wakeups::Wakeups;

/// What happens where this node applies the log: those who wait for it are told.
pub(crate) struct Observer {
    pending: Pending,
    wakeups: Wakeups,
    clock: LogClock,
    /// The log index up to which this node has applied.
    applied: watch::Sender<u64>,
    /// Of the table that is observed; set as soon as it is open.
    reader: OnceLock<Reader>,
    /// Jobs that were queued after the last entry.
    queued: AtomicU64,
}

impl Observer {
    pub(crate) fn new(pending: Pending, wakeups: Wakeups, clock: LogClock) -> Observer {
        Observer {
            pending,
            wakeups,
            clock,
            applied: watch::Sender::new(0),
            reader: OnceLock::new(),
            queued: AtomicU64::new(0),
        }
    }

    /// The table is open, and has nothing applied since.
    pub(crate) fn observe(&self, reader: Reader) {
        self.clock.applied(reader.clock());
        self.applied.send_replace(reader.applied_index());
        self.queued.store(reader.queued(QueueId::DEFAULT), Ordering::Relaxed);
        assert!(self.reader.set(reader).is_ok(), "an observer observes one table");
    }

    /// Follows the log index up to which this node has applied.
    pub(crate) fn watch_applied(&self) -> watch::Receiver<u64> {
        self.applied.subscribe()
    }

    /// How many jobs were queued since the last entry: those that are there and were not, and those that were granted
    /// at once.
    fn newly_queued(&self, answered: &[Answered]) -> u64 {
        let Some(reader) = self.reader.get() else { return 0 };
        let now = reader.queued(QueueId::DEFAULT);
        let before = self.queued.swap(now, Ordering::Relaxed);
        let granted: usize = answered.iter().map(granted).sum();
        (now + granted as u64).saturating_sub(before)
    }
}

fn granted(answered: &Answered) -> usize {
    match &answered.outcome {
        Ok(Reply::Jobs(jobs)) => jobs.iter().filter(|job| job.status() == Status::Running).count(),
        Ok(Reply::Job(_) | Reply::Done) | Err(_) => 0,
    }
}

impl ApplyObserver for Observer {
    fn applied(&self, entry: Applied) {
        self.clock.applied(entry.clock);
        let queued = self.newly_queued(&entry.answered);
        self.pending.complete(entry.answered);
        self.applied.send_replace(entry.index);
        self.wakeups.queued(QueueId::DEFAULT, queued);
    }

    /// Answers may have come with the snapshot; and jobs.
    fn installed(&self) {
        let Some(reader) = self.reader.get().cloned() else { return };
        self.clock.applied(reader.clock());
        let queued = reader.queued(QueueId::DEFAULT);
        self.queued.store(queued, Ordering::Relaxed);
        self.applied.send_replace(reader.applied_index());
        self.wakeups.queued(QueueId::DEFAULT, queued);
        let pending = self.pending.clone();
        tokio::spawn(async move {
            for request_id in pending.waiting() {
                match reader.answer(request_id).await {
                    Ok(answered) => pending.complete(answered.into_iter().collect()),
                    Err(error) => crate::task::die(&format!("the job table cannot be read: {error}")),
                }
            }
        });
    }
}
