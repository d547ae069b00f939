use std::collections::BTreeMap;
use std::ops::Bound;

use quorate_core::{Availability, Kept, Queue, QueueId, QueueName, QueueView};
use rocksdb::WriteBatch;

use super::db::{Db, Family};
use super::keys::{self, Prefix};
use super::codec;
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

    pub(crate) fn availability(&self) -> &[Availability] {
        &self.availability
    }
}

/// What the disk has of queues and lanes.
pub(crate) fn kept(db: &Db, next_queue: u32) -> Result<Kept, StoreError> {
    let mut kept = Kept { next_queue, ..Kept::default() };
    for row in db.scan(Family::Default, &Prefix::Queue.start(), &Prefix::Queue.end()) {
        let queue: Queue = codec::decode_queue(&row?.1)?;
        kept.queues.insert(queue.id, queue);
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
    for ((queue, key), jobs) in &changes.running {
        set(keys::running_of_key(*queue, key), (*jobs > 0).then(|| jobs.to_be_bytes().to_vec()));
    }
    for (lane, mark) in &changes.lanes {
        set(keys::lane_mark(lane), mark.map(codec::encode_mark));
    }
}
