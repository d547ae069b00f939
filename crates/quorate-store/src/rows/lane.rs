use quorate_core::{Job, Priority, QueueId};
use quorate_proto::log::v1;
use rocksdb::WriteBatch;

use super::db::{Db, Family};
use super::window::Window;
use super::{codec, keys};
use crate::StoreError;

/// The queued jobs of one priority of a queue, first in first out.
///
/// A grant takes the first job and deletes nothing: the front moves, and what lies behind it is erased now and then
/// in one range. So neither a grant nor a start ever walks over the keys of jobs that are gone.
pub(crate) struct Lane {
    queue: QueueId,
    priority: Priority,
    jobs: Window<Job>,
    /// Places below are granted.
    front: u64,
    /// Places below are gone from the disk.
    erased: u64,
    queued: u64,
}

impl Lane {
    /// A lane without jobs; the next one gets the place `seq` or a later one.
    pub(crate) fn empty(queue: QueueId, priority: Priority, seq: u64, capacity: usize) -> Lane {
        let jobs = Window::empty(keys::lane_end(queue, priority), capacity, decode);
        Lane { queue, priority, jobs, front: seq, erased: seq, queued: 0 }
    }

    /// The lane that a message describes, and its jobs on the disk.
    pub(crate) fn load(message: &v1::Lane, capacity: usize) -> Result<Lane, StoreError> {
        let (queue, priority) = Lane::key_of(message)?;
        codec::intact((message.erased <= message.front).then_some(()), "Lane.erased")?;
        let start = keys::ready(queue, priority, message.front);
        let jobs = Window::new(start, keys::lane_end(queue, priority), capacity, decode);
        Ok(Lane {
            queue,
            priority,
            jobs,
            front: message.front,
            erased: message.erased,
            queued: message.queued,
        })
    }

    pub(crate) fn to_message(&self) -> v1::Lane {
        v1::Lane {
            queue: self.queue.0,
            priority: self.priority.get().into(),
            front: self.front,
            erased: self.erased,
            queued: self.queued,
        }
    }

    /// Whose lane a message describes.
    pub(crate) fn key_of(message: &v1::Lane) -> Result<(QueueId, Priority), StoreError> {
        let priority = u8::try_from(message.priority).ok().and_then(Priority::new);
        Ok((QueueId(message.queue), codec::intact(priority, "Lane.priority")?))
    }

    /// Whose lane it is.
    pub(crate) fn key(&self) -> (QueueId, Priority) {
        (self.queue, self.priority)
    }

    /// How many jobs wait here.
    pub(crate) fn queued(&self) -> u64 {
        self.queued
    }

    /// The job that is granted next.
    pub(crate) fn first(&mut self, db: &Db) -> Result<Option<&Job>, StoreError> {
        Ok(self.jobs.first(db)?.map(|(_, job)| job))
    }

    /// Adds a job at its place.
    pub(crate) fn put(&mut self, db: &Db, batch: &mut WriteBatch, seq: u64, job: &Job, record: &[u8]) {
        assert!(seq >= self.front, "no job is queued before the front");
        self.queued = self.queued.checked_add(1).expect("fewer than 2^64 jobs");
        self.replace(db, batch, seq, job, record);
    }

    /// Writes the record of a job that stays at its place.
    pub(crate) fn replace(&mut self, db: &Db, batch: &mut WriteBatch, seq: u64, job: &Job, record: &[u8]) {
        let key = keys::ready(self.queue, self.priority, seq);
        db.put(batch, Family::Idx, &key, record);
        self.jobs.put(key, job.clone());
    }

    /// Takes the job at a place out.
    pub(crate) fn remove(&mut self, db: &Db, batch: &mut WriteBatch, seq: u64) {
        self.queued = self.queued.checked_sub(1).expect("a job that leaves a lane was in it");
        let key = keys::ready(self.queue, self.priority, seq);
        if self.jobs.remove(&key) {
            self.front = seq.checked_add(1).expect("fewer than 2^64 jobs");
        } else {
            db.delete(batch, Family::Idx, &key);
        }
    }

    /// Erases what lies behind the front, once that is much.
    pub(crate) fn erase(&mut self, db: &Db, batch: &mut WriteBatch, much: u64) {
        if self.front - self.erased >= much {
            let from = keys::ready(self.queue, self.priority, self.erased);
            let end = keys::ready(self.queue, self.priority, self.front);
            db.delete_range(batch, Family::Idx, &from, &end);
            self.erased = self.front;
        }
    }

    #[cfg(test)]
    pub(crate) fn is_bounded(&self) -> bool {
        self.jobs.is_bounded()
    }

    /// The write is on the disk.
    pub(crate) fn written(&mut self) {
        self.jobs.written();
    }
}

fn decode(_key: &[u8], record: &[u8]) -> Result<Job, StoreError> {
    codec::decode_job(record)
}
