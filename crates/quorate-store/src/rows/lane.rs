use std::sync::Arc;

use quorate_core::{Job, Lane};
use rocksdb::WriteBatch;

use super::db::{Db, Family};
use super::window::Window;
use super::{codec, keys};
use crate::StoreError;

/// The jobs of a lane, first in first out, of which the first are in memory.
///
/// It begins where the lane's mark says. So neither a grant nor a start walks over the keys of jobs that are gone.
pub(crate) struct LaneJobs {
    lane: Lane,
    jobs: Window<Arc<Job>>,
    /// When it was used last, in uses of lanes.
    pub(crate) used: u64,
}

impl LaneJobs {
    /// An empty lane.
    pub(crate) fn empty(lane: Lane, capacity: usize) -> LaneJobs {
        LaneJobs { jobs: Window::empty(keys::lane_end(&lane), capacity, decode), lane, used: 0 }
    }

    /// A lane whose first job stands at that place on the disk.
    pub(crate) fn from(lane: Lane, first: u64, capacity: usize) -> LaneJobs {
        let (start, end) = (keys::ready(&lane, first), keys::lane_end(&lane));
        LaneJobs { jobs: Window::new(start, end, capacity, decode), lane, used: 0 }
    }

    /// The job that is granted next.
    pub(crate) fn first(&mut self, db: &Db) -> Result<Option<&Job>, StoreError> {
        Ok(self.jobs.first(db)?.map(|(_, job)| &**job))
    }

    /// Adds a job at its place, or writes its record anew.
    pub(crate) fn put(&mut self, db: &Db, batch: &mut WriteBatch, seq: u64, job: Arc<Job>, record: &[u8]) {
        let key = keys::ready(&self.lane, seq);
        db.put(batch, Family::Idx, &key, record);
        self.jobs.put(key, job);
    }

    /// Takes the job at a place out.
    pub(crate) fn remove(&mut self, db: &Db, batch: &mut WriteBatch, seq: u64) {
        let key = keys::ready(&self.lane, seq);
        self.jobs.remove(&key);
        db.delete(batch, Family::Idx, &key);
    }

    /// Leaves all but so many jobs to the disk.
    pub(crate) fn trim(&mut self, jobs: usize) {
        self.jobs.trim(jobs);
    }

    /// How many jobs it holds in memory.
    pub(crate) fn in_memory(&self) -> usize {
        self.jobs.in_memory()
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

fn decode(_key: &[u8], record: &[u8]) -> Result<Arc<Job>, StoreError> {
    codec::decode_job(record).map(Arc::new)
}
