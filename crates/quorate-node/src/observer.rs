use std::collections::BTreeMap;
use std::sync::OnceLock;

use quorate_core::{Effect, FeatureLevel, QueueId, Status};
use quorate_store::{AppliedEntry, ApplyObserver, Reader};
use tokio::sync::watch;

use crate::command::pending::Pending;
use crate::read::spent_keys::SpentKeys;
use crate::read::turns::Turns;
use crate::time::clock::LogClock;

/// What happens where this node applies the log: those who wait for it are told.
pub(crate) struct Observer {
    pub(crate) pending: Pending,
    pub(crate) turns: Turns,
    pub(crate) spent_keys: SpentKeys,
    clock: LogClock,
    /// The log index up to which this node has applied.
    applied: watch::Sender<u64>,
    /// The cluster's feature level, as far as this node has applied.
    level: watch::Sender<FeatureLevel>,
    /// Of the table that is observed; set as soon as it is open.
    reader: OnceLock<Reader>,
}

impl Observer {
    pub(crate) fn new(clock: LogClock) -> Observer {
        Observer {
            pending: Pending::default(),
            turns: Turns::default(),
            spent_keys: SpentKeys::default(),
            clock,
            applied: watch::Sender::new(0),
            level: watch::Sender::default(),
            reader: OnceLock::new(),
        }
    }

    /// The table is open, and has nothing applied since.
    pub(crate) fn observe(&self, reader: Reader) {
        self.clock.applied(reader.clock());
        self.applied.send_replace(reader.applied_index());
        self.tell_table(&reader);
        assert!(self.reader.set(reader).is_ok(), "an observer observes one table");
    }

    /// What the table is like that was opened or installed.
    fn tell_table(&self, reader: &Reader) {
        self.raised(reader.level());
        self.turns.observe(&reader.all_queued());
    }

    /// Before anyone hears what he was granted: see [`Turns::changed`].
    fn tell_effects(&self, effects: &[Effect]) {
        let mut queued: BTreeMap<QueueId, i64> = BTreeMap::new();
        let mut spent = Vec::new();
        for effect in effects {
            match effect {
                Effect::Job(change) => {
                    let is_queued = |status| i64::from(status == Some(Status::Queued));
                    *queued.entry(change.queue).or_default() += is_queued(change.to) - is_queued(change.from);
                }
                Effect::KeySpent(key) => spent.push(&**key),
                Effect::Raised(level) => self.raised(*level),
                Effect::Configured(_) => {}
            }
        }
        for (queue, by) in queued {
            self.turns.changed(queue, by);
        }
        self.spent_keys.tell(&spent);
    }

    fn raised(&self, to: FeatureLevel) {
        self.level.send_if_modified(|level| std::mem::replace(level, to) != to);
    }

    /// Follows the cluster's feature level. Unlike a reader it does not keep the table open: calls of peers may outlast the
    /// node's end by a moment.
    pub(crate) fn watch_level(&self) -> watch::Receiver<FeatureLevel> {
        self.level.subscribe()
    }

    /// Follows the log index up to which this node has applied.
    pub(crate) fn watch_applied(&self) -> watch::Receiver<u64> {
        self.applied.subscribe()
    }
}

impl ApplyObserver for Observer {
    fn applied(&self, entry: AppliedEntry) {
        self.clock.applied(entry.clock);
        self.tell_effects(&entry.effects);
        self.pending.complete(entry.answered);
        self.applied.send_replace(entry.index);
    }

    /// Answers may have come with the snapshot; and jobs, and keys.
    fn installed(&self) {
        let Some(reader) = self.reader.get().cloned() else { return };
        self.clock.applied(reader.clock());
        self.tell_table(&reader);
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures::FutureExt;
    use quorate_core::{Change, JobId};

    use super::*;
    use crate::machine::ThisMachine;

    const QUEUE: QueueId = QueueId::DEFAULT;

    /// A job that goes from one status to another.
    fn change(from: Option<Status>, to: Option<Status>) -> Effect {
        Effect::Job(Change { id: JobId([1; 16]), queue: QUEUE, from, to, reason: None })
    }

    #[tokio::test]
    async fn a_job_that_comes_is_one_turn_and_one_that_goes_is_none() {
        let observer = Observer::new(LogClock::new(Arc::new(ThisMachine)));
        let turns = observer.turns.clone();
        let (queued, running) = (Some(Status::Queued), Some(Status::Running));
        // One stays, one is taken within the entry, and one waits for its time.
        observer.tell_effects(&[
            change(None, queued),
            change(None, queued),
            change(queued, running),
            change(None, Some(Status::Delayed)),
        ]);
        let turn = turns.next(QUEUE).now_or_never().expect("a job is queued");
        let mut next = Box::pin(turns.next(QUEUE));
        assert!((&mut next).now_or_never().is_none(), "there is one job");
        // It was called off: its turn is nobody's.
        observer.tell_effects(&[change(queued, Some(Status::Cancelled))]);
        drop(turn);
        assert!((&mut next).now_or_never().is_none(), "no job is left");
        observer.tell_effects(&[change(Some(Status::Delayed), queued)]);
        assert!((&mut next).now_or_never().is_some());
    }

    #[test]
    fn a_raised_level_is_told() {
        let observer = Observer::new(LogClock::new(Arc::new(ThisMachine)));
        let level = observer.watch_level();
        observer.tell_effects(&[Effect::Raised(FeatureLevel(7))]);
        assert_eq!(*level.borrow(), FeatureLevel(7));
    }
}
