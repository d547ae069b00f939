use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use quorate_core::{Availability, Kept, Queue, QueueId, QueueName, QueueView, Timestamp, Totals, Worker};
use rocksdb::WriteBatch;

use super::codec;
use super::db::{Db, Family};
use super::keys::{self, Prefix};
use crate::StoreError;

/// All queues as readers see them.
#[derive(Default)]
pub(crate) struct Queues {
    by_name: BTreeMap<QueueName, QueueView>,
    names: BTreeMap<QueueId, QueueName>,
    /// What consumers could have when the table was opened.
    availability: Vec<Availability>,
}

impl Queues {
    pub(crate) fn new(views: impl Iterator<Item = QueueView>, availability: Vec<Availability>) -> Queues {
        let mut queues = Queues { availability, ..Queues::default() };
        for view in views {
            queues.set(view.queue.id, Some(view));
        }
        queues
    }

    /// A queue is like that now; `None`: it is gone.
    pub(crate) fn set(&mut self, id: QueueId, view: Option<QueueView>) {
        match view {
            Some(view) => {
                self.names.entry(id).or_insert_with(|| view.queue.name.clone());
                self.by_name.insert(view.queue.name.clone(), view);
            }
            None => {
                if let Some(name) = self.names.remove(&id) {
                    self.by_name.remove(&name);
                }
            }
        }
    }

    pub(crate) fn named(&self, name: &QueueName) -> Option<&QueueView> {
        self.by_name.get(name)
    }

    pub(crate) fn name(&self, id: QueueId) -> Option<&QueueName> {
        self.names.get(&id)
    }

    pub(crate) fn page(&self, after: Option<&QueueName>, n: usize) -> Vec<QueueView> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.by_name.range((from, Bound::Unbounded)).take(n).map(|(_, view)| view.clone()).collect()
    }

    pub(crate) fn totals(&self, now: Timestamp) -> Totals {
        Totals::of(self.by_name.values(), now)
    }

    /// The `n` queues with the most unfinished jobs.
    pub(crate) fn busiest(&self, n: usize) -> Vec<QueueView> {
        let mut views: Vec<&QueueView> = self.by_name.values().collect();
        if views.len() > n {
            views.select_nth_unstable_by_key(n, |view| Reverse(view.queue.counts.unfinished()));
            views.truncate(n);
        }
        views.into_iter().cloned().collect()
    }

    pub(crate) fn availability(&self) -> &[Availability] {
        &self.availability
    }
}

/// What the disk has of queues and lanes.
pub(crate) fn kept(db: &Db, next_queue: u64) -> Result<Kept, StoreError> {
    let mut names = BTreeSet::new();
    let mut kept = Kept { next_queue, ..Kept::default() };
    for row in db.scan(Family::Default, &Prefix::Queue.start(), &Prefix::Queue.end()) {
        let (key, value) = row?;
        let queue: Queue = codec::decode_queue(&value)?;
        let is_its_own = keys::queue_of(&key) == Some(queue.id) && names.insert(queue.name.clone());
        codec::intact(is_its_own.then_some(()), "a queue's record")?;
        kept.queues.insert(queue.id, queue);
    }
    for row in db.scan(Family::Default, &Prefix::KeyTurn.start(), &Prefix::KeyTurn.end()) {
        let (key, value) = row?;
        let of = codec::intact(keys::turn_of(&key), "the key of a key's turn")?;
        kept.turns.insert(of, codec::decode_count(&value)?);
    }
    for row in db.scan(Family::Default, &Prefix::RunningOfKey.start(), &Prefix::RunningOfKey.end()) {
        let (key, value) = row?;
        let of = codec::intact(keys::queue_and_key(&key), "the key of what runs of a key")?;
        kept.running.insert(of, codec::decode_count(&value)?);
    }
    for row in db.scan(Family::Default, &Prefix::LaneMark.start(), &Prefix::LaneMark.end()) {
        let (key, value) = row?;
        let lane = codec::intact(keys::lane_of(&key), "the key of a lane's mark")?;
        kept.lanes.insert(lane, codec::decode_mark(&value)?);
    }
    for row in db.scan(Family::Default, &Prefix::Worker.start(), &Prefix::Worker.end()) {
        let (key, value) = row?;
        let name = codec::intact(keys::name_of(&key), "the key of a worker")?;
        let heard = Timestamp(codec::decode_count(&value)?);
        kept.workers.insert(name.into(), Worker { heard, jobs: BTreeSet::new() });
    }
    for row in db.scan(Family::Default, &Prefix::Held.start(), &Prefix::Held.end()) {
        let (key, _) = row?;
        let (job, name) = codec::intact(keys::job_and_worker(&key), "the key of what a worker holds")?;
        let worker = codec::intact(kept.workers.get_mut(name), "a worker that holds a job is not there")?;
        worker.jobs.insert(job);
    }
    let known = |queue: &QueueId| *queue == QueueId::DEFAULT || kept.queues.contains_key(queue);
    let named = kept.lanes.keys().map(|lane| &lane.queue).chain(kept.running.keys().map(|(queue, _)| queue));
    codec::intact(named.into_iter().all(known).then_some(()), "a lane's queue is not there")?;
    Ok(kept)
}

/// Writes what has changed of that.
pub(crate) fn write(db: &Db, batch: &mut WriteBatch, changes: &quorate_core::Changes) {
    let mut set = |key: Vec<u8>, value: Option<Vec<u8>>| match value {
        Some(value) => db.put(batch, Family::Default, &key, &value),
        None => db.delete(batch, Family::Default, &key),
    };
    for (id, queue) in &changes.queues {
        set(keys::queue(*id), queue.as_ref().map(codec::encode_queue));
    }
    for ((queue, priority, key), served) in &changes.turns {
        let value = (*served > 0).then(|| served.to_be_bytes().to_vec());
        set(keys::key_turn(*queue, *priority, key), value);
    }
    for ((queue, key), jobs) in &changes.running {
        set(keys::running_of_key(*queue, key), (*jobs > 0).then(|| jobs.to_be_bytes().to_vec()));
    }
    for (lane, mark) in &changes.lanes {
        set(keys::lane_mark(lane), mark.map(codec::encode_mark));
    }
    for (name, heard) in &changes.workers {
        set(keys::worker(name), heard.map(|at| at.0.to_be_bytes().to_vec()));
    }
    for ((name, job), holds) in &changes.held {
        set(keys::held(name, *job), holds.then(Vec::new));
    }
}

#[cfg(test)]
mod tests {
    use quorate_core::{Bucket, Counts, QueueSettings};

    use super::*;

    #[test]
    fn the_busiest_queues_are_those_with_most_unfinished_jobs() {
        let view = |id: u64, queued: u64, success: u64| {
            let counts = Counts { by_status: [0, queued, 0, success, 0, 0], ..Counts::default() };
            let (name, settings) = (QueueName::new(&format!("q{id}")).unwrap(), QueueSettings::default());
            let queue =
                Queue { id: QueueId(id), name, kept: false, settings, bucket: Bucket::default(), counts };
            QueueView { queue, oldest: None, keys: None }
        };
        let views = [view(1, 0, 9), view(2, 5, 0), view(3, 1, 0), view(4, 7, 0)];
        let queues = Queues::new(views.into_iter(), Vec::new());
        let names = |n| {
            let busiest = queues.busiest(n);
            busiest.iter().map(|view| view.queue.name.to_string()).collect::<BTreeSet<_>>()
        };
        assert_eq!(names(2), ["q2".to_owned(), "q4".to_owned()].into());
        assert_eq!(names(4).len(), 4);
    }
}
