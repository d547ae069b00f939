//! The job table in memory: the oracle that the table on disk is compared with, and the judge of recorded histories.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::{
    AnswerRecord, Dispatch, Dump, FeatureLevel, Image, ImageId, Job, JobId, JobsPage, JobsQuery, KeyRecord,
    Lane, Operations, QueueId, RequestId, Settings, State, Timestamp,
};

mod table;

/// A table of jobs in memory. Every call of [`crate::Table`] costs O(log n).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model {
    clock: Timestamp,
    settings: Settings,
    level: FeatureLevel,
    next_seq: u64,
    jobs: BTreeMap<JobId, Job>,
    /// By owner: how many jobs hold it, and the bytes.
    payloads: BTreeMap<JobId, (u64, Bytes)>,
    logs: BTreeMap<JobId, Bytes>,
    log_parts: BTreeMap<JobId, Vec<Bytes>>,
    lanes: BTreeMap<(Lane, u64), JobId>,
    unique: BTreeMap<(QueueId, Box<str>), JobId>,
    dispatch: Dispatch,
    timers: BTreeSet<(Timestamp, JobId)>,
    finished: BTreeSet<(Timestamp, JobId)>,
    kept: BTreeSet<(Timestamp, JobId)>,
    images: BTreeMap<ImageId, Image>,
    images_by_naming: BTreeSet<(Timestamp, ImageId)>,
    operations: Operations,
    keys: BTreeMap<Box<str>, KeyRecord>,
    keys_by_age: BTreeSet<(Timestamp, Box<str>)>,
    answers: BTreeMap<RequestId, AnswerRecord>,
    answers_by_deadline: BTreeSet<(Timestamp, RequestId)>,
}

impl Model {
    /// An empty table, as before the first log entry.
    pub fn new() -> Model {
        Model::default()
    }

    /// The table that a dump was made of. Its indexes are built anew from the records.
    pub fn restore(dump: Dump) -> Model {
        let mut model = Model {
            clock: dump.clock,
            settings: dump.settings,
            level: dump.level,
            next_seq: dump.next_seq,
            dispatch: Dispatch::restore(dump.clock, dump.dispatch),
            unique: dump.unique,
            payloads: dump.payloads,
            logs: dump.logs,
            log_parts: dump.log_parts,
            images_by_naming: dump.images.values().map(|image| (image.named_at, image.id)).collect(),
            images: dump.images,
            keys_by_age: dump.keys.values().map(|key| (key.at, key.key.clone())).collect(),
            keys: dump.keys,
            operations: dump.operations,
            answers_by_deadline: dump.answers.iter().map(|(id, record)| (record.deadline, *id)).collect(),
            answers: dump.answers,
            ..Model::default()
        };
        for job in dump.jobs.values() {
            model.index(job);
        }
        model.jobs = dump.jobs;
        model
    }

    /// All that it holds.
    pub fn dump(&self) -> Dump {
        Dump {
            clock: self.clock,
            settings: self.settings,
            level: self.level,
            next_seq: self.next_seq,
            jobs: self.jobs.clone(),
            payloads: self.payloads.clone(),
            logs: self.logs.clone(),
            log_parts: self.log_parts.clone(),
            queued: self.lanes.values().copied().collect(),
            timers: self.timers.iter().copied().collect(),
            unique: self.unique.clone(),
            dispatch: self.dispatch.kept(),
            finished: self.finished.iter().copied().collect(),
            kept: self.kept.iter().copied().collect(),
            images: self.images.clone(),
            operations: self.operations.clone(),
            keys: self.keys.clone(),
            answers: self.answers.clone(),
        }
    }

    /// All jobs, by id.
    pub fn jobs(&self) -> &BTreeMap<JobId, Job> {
        &self.jobs
    }

    /// A page of jobs, looked for among all of them.
    pub fn list(&self, query: &JobsQuery) -> JobsPage {
        let mut jobs: Vec<&Job> = self.jobs.values().filter(|job| query.fits(job)).collect();
        jobs.sort_by_key(|job| query.order.place(job.number));
        let next = if jobs.len() > query.n { jobs[..query.n].last().map(|job| job.number) } else { None };
        let looked = jobs.len();
        JobsPage { jobs: jobs.into_iter().take(query.n).cloned().collect(), next, looked }
    }

    /// The payload of a job; `None` when it is empty or there is no such job.
    pub fn payload(&self, id: JobId) -> Option<&Bytes> {
        let owner = self.jobs.get(&id)?.payload.owner;
        self.payloads.get(&owner).map(|(_, payload)| payload)
    }

    /// The log of a job; `None` when it is empty or there is no such job.
    pub fn log(&self, id: JobId) -> Option<Bytes> {
        let parts = self.log_parts.get(&id).map(|parts| Bytes::from(parts.concat()));
        parts.or_else(|| self.logs.get(&id).cloned())
    }

    /// Puts a job into the index that its state asks for.
    fn index(&mut self, job: &Job) {
        if let State::Queued { seq, .. } = job.state {
            self.lanes.insert((Lane::of(job), seq), job.id);
        }
        self.timers.extend(job.state.timer().map(|at| (at, job.id)));
        match job.keep_until {
            Some(until) => {
                self.kept.insert((until, job.id));
            }
            None => self.finished.extend(job.completed_at.map(|at| (at, job.id))),
        }
    }

    /// Takes a job out of the index that it stands in.
    fn unindex(&mut self, job: &Job) {
        if let State::Queued { seq, .. } = job.state {
            let place = (Lane::of(job), seq);
            assert!(self.lanes.remove(&place).is_some(), "{} had no place", job.id);
        }
        if let Some(at) = job.state.timer() {
            assert!(self.timers.remove(&(at, job.id)), "{} had no timer", job.id);
        }
        if let Some(until) = job.keep_until {
            assert!(self.kept.remove(&(until, job.id)), "{} was not among those that are kept", job.id);
        } else if let Some(at) = job.completed_at {
            assert!(self.finished.remove(&(at, job.id)), "{} was not among the finished", job.id);
        }
    }
}
