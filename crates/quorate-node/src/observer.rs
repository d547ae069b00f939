use std::sync::OnceLock;

use quorate_core::QueueId;
use quorate_store::{Applied, ApplyObserver, Reader};
use tokio::sync::watch;

use crate::clock::LogClock;
use crate::pending::Pending;
use crate::spent_keys::SpentKeys;
use crate::turns::Turns;

/// What happens where this node applies the log: those who wait for it are told.
pub(crate) struct Observer {
    pending: Pending,
    turns: Turns,
    spent_keys: SpentKeys,
    clock: LogClock,
    /// The log index up to which this node has applied.
    applied: watch::Sender<u64>,
    /// Of the table that is observed; set as soon as it is open.
    reader: OnceLock<Reader>,
}

impl Observer {
    pub(crate) fn new(pending: Pending, turns: Turns, spent_keys: SpentKeys, clock: LogClock) -> Observer {
        let (applied, reader) = (watch::Sender::new(0), OnceLock::new());
        Observer { pending, turns, spent_keys, clock, applied, reader }
    }

    /// The table is open, and has nothing applied since.
    pub(crate) fn observe(&self, reader: Reader) {
        self.clock.applied(reader.clock());
        self.applied.send_replace(reader.applied_index());
        assert!(self.reader.set(reader).is_ok(), "an observer observes one table");
        self.tell_queued();
    }

    /// Before anyone hears what he was granted: see [`Turns::queued`].
    fn tell_queued(&self) {
        if let Some(reader) = self.reader.get() {
            self.turns.queued(QueueId::DEFAULT, reader.queued(QueueId::DEFAULT));
        }
    }

    /// Follows the log index up to which this node has applied.
    pub(crate) fn watch_applied(&self) -> watch::Receiver<u64> {
        self.applied.subscribe()
    }
}

impl ApplyObserver for Observer {
    fn applied(&self, entry: Applied) {
        self.clock.applied(entry.clock);
        self.tell_queued();
        self.spent_keys.tell(&entry.spent_keys);
        self.pending.complete(entry.answered);
        self.applied.send_replace(entry.index);
    }

    /// Answers may have come with the snapshot; and jobs, and keys.
    fn installed(&self) {
        let Some(reader) = self.reader.get().cloned() else { return };
        self.clock.applied(reader.clock());
        self.tell_queued();
        self.spent_keys.tell_all();
        self.applied.send_replace(reader.applied_index());
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
