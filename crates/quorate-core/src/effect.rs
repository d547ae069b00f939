use crate::{Answered, Availability, FeatureLevel, JobId, OperationId, QueueId, Reason, Settings, Status};

/// What came of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// The answers to its commands, in their order.
    pub answers: Vec<Answered>,
    /// What it did to the table, in the order in which it did it.
    pub effects: Vec<Effect>,
}

/// One thing that was done to the table: for whoever waits for it, counts it or watches it. The same on every replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// A job came, went, or has another status.
    Job(Change),
    /// An Idempotency-Key stands for an answer.
    KeySpent(Box<str>),
    /// The cluster has other settings.
    Configured(Settings),
    /// The cluster has another feature level.
    Raised(FeatureLevel),
    /// Work on many jobs began, went on or ended.
    Operation(OperationId),
    /// A consumer can have another number of jobs: of a queue, and of those of its images that are named.
    Available(Availability),
    /// A queue is no more.
    QueueGone(QueueId),
}

/// How the status of a job has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which job.
    pub id: JobId,
    /// Its queue.
    pub queue: QueueId,
    /// `None`: it is new.
    pub from: Option<Status>,
    /// `None`: it is gone.
    pub to: Option<Status>,
    /// Why, where `to` is `Error`.
    pub reason: Option<Reason>,
    /// It goes on from another job: it retries it, or that one was given back.
    pub goes_on: bool,
    /// Time alone did it, no command: a delay or a timeout ended, or the job had outlived its retention.
    pub by_time: bool,
}
