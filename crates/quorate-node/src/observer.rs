use std::sync::OnceLock;

use quorate_core::{Effect, FeatureLevel};
use quorate_store::{AppliedEntry, ApplyObserver, Reader};
use tokio::sync::watch;

use crate::command::pending::Pending;
use crate::metrics::METRICS;
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
    /// Work on many jobs began, went on or ended.
    operations: watch::Sender<()>,
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
            operations: watch::Sender::default(),
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
        self.operations.send_replace(());
        self.turns.observe(reader.applied_index(), &reader.availability());
    }

    /// Before anyone hears what he was granted: see [`Turns::changed`].
    fn tell_effects(&self, index: u64, effects: &[Effect]) {
        let (mut available, mut gone, mut spent) = (Vec::new(), Vec::new(), Vec::new());
        for effect in effects {
            match effect {
                Effect::Available(now) => available.push(now),
                Effect::QueueGone(queue) => gone.push(*queue),
                Effect::KeySpent(key) => spent.push(&**key),
                Effect::Raised(level) => self.raised(*level),
                Effect::Operation(_) => self.operations.send_replace(()),
                Effect::Job(change) => METRICS.count(change),
                Effect::Configured(_) => {}
            }
        }
        self.turns.changed(index, &available, &gone);
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

    /// Follows work on many jobs.
    pub(crate) fn watch_operations(&self) -> watch::Receiver<()> {
        self.operations.subscribe()
    }

    /// Follows the log index up to which this node has applied.
    pub(crate) fn watch_applied(&self) -> watch::Receiver<u64> {
        self.applied.subscribe()
    }
}

impl ApplyObserver for Observer {
    fn applied(&self, entry: AppliedEntry) {
        self.clock.applied(entry.clock);
        self.tell_effects(entry.index, &entry.effects);
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
    use quorate_core::{Availability, ImageId, QueueId, QueueName, Take};

    use super::*;
    use crate::machine::ThisMachine;
    use crate::read::turns::Look;

    /// So many jobs may be had of the default queue.
    fn available(jobs: u64) -> Effect {
        let (queue, name) = (QueueId::DEFAULT, QueueName::DEFAULT);
        let images = vec![(ImageId([1; 16]), jobs)];
        Effect::Available(Availability { queue, name, places: u64::MAX, images })
    }

    #[test]
    fn what_there_is_and_is_no_more_is_told_with_its_log_index() {
        let observer = Observer::new(LogClock::new(Arc::new(ThisMachine)));
        let (turns, take) = (observer.turns.clone(), Take::default_queue(1));
        observer.tell_effects(4, &[available(1)]);
        assert_eq!(turns.look(&take), Look { found: true, applied: 4 });
        let turn = turns.next(&take).now_or_never().expect("there is a job");
        let mut next = Box::pin(turns.next(&take));
        assert!((&mut next).now_or_never().is_none(), "there is one job");
        observer.tell_effects(5, &[Effect::QueueGone(QueueId::DEFAULT)]);
        assert_eq!(turns.look(&take), Look { found: false, applied: 5 });
        drop(turn);
        assert!((&mut next).now_or_never().is_none(), "there is no job");
        observer.tell_effects(6, &[available(2)]);
        assert!((&mut next).now_or_never().is_some());
    }

    #[test]
    fn a_raised_level_is_told() {
        let observer = Observer::new(LogClock::new(Arc::new(ThisMachine)));
        let level = observer.watch_level();
        observer.tell_effects(1, &[Effect::Raised(FeatureLevel(7))]);
        assert_eq!(*level.borrow(), FeatureLevel(7));
    }
}
