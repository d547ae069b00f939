use std::collections::{BTreeMap, BTreeSet};

use crate::{JobId, Timestamp, limits};

/// Who runs what, of those who said their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Worker {
    /// When it was last heard: took a job, touched or ended one.
    pub heard: Timestamp,
    /// What it holds.
    pub jobs: BTreeSet<JobId>,
}

/// A worker as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerView {
    /// Its name.
    pub name: Box<str>,
    /// See [`Worker::heard`].
    pub heard: Timestamp,
    /// How many jobs it holds.
    pub holds: u64,
    /// The first of them, up to [`crate::limits::WORKER_JOBS_SHOWN`].
    pub jobs: Vec<JobId>,
}

impl WorkerView {
    /// The worker of this name.
    pub fn new(name: &str, worker: &Worker) -> WorkerView {
        WorkerView {
            name: name.into(),
            heard: worker.heard,
            holds: worker.jobs.len() as u64,
            jobs: worker.jobs.iter().take(limits::WORKER_JOBS_SHOWN).copied().collect(),
        }
    }
}

/// All of them: a worker is known while it holds a job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Workers(BTreeMap<Box<str>, Worker>);

impl Workers {
    pub(super) fn restore(workers: BTreeMap<Box<str>, Worker>) -> Workers {
        Workers(workers)
    }

    pub(super) fn all(&self) -> &BTreeMap<Box<str>, Worker> {
        &self.0
    }

    /// It has a job more.
    pub(super) fn took(&mut self, name: &str, job: JobId, now: Timestamp) {
        let worker = self.0.entry(name.into()).or_default();
        worker.heard = now;
        assert!(worker.jobs.insert(job), "{job} is granted once");
    }

    /// A job is not its own any more. Time may have ended that: then it was not heard.
    pub(super) fn lost(&mut self, name: &str, job: JobId) {
        let worker = self.0.get_mut(name).expect("a worker that holds a job is known");
        assert!(worker.jobs.remove(&job), "{job} was held");
        if worker.jobs.is_empty() {
            self.0.remove(name);
        }
    }

    /// True where it is known.
    pub(super) fn heard(&mut self, name: &str, now: Timestamp) -> bool {
        match self.0.get_mut(name) {
            Some(worker) => {
                worker.heard = now;
                true
            }
            None => false,
        }
    }
}
