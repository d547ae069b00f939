use bytes::Bytes;

use crate::{
    Action, FeatureLevel, ImageId, JobId, OperationId, Priority, Progress, QueueName, Reason, RequestId,
    Selection, Setting, Settings, Take, Timestamp, Unique, limits,
};

/// One log entry: a time and commands. Without commands it is a tick, which carries out what is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The leader's time when it proposed the entry.
    pub stamp: Timestamp,
    /// Carried out in this order.
    pub envelopes: Vec<Envelope>,
}

/// A command and what deduplication needs of it. The same envelope may stand in the log twice, when a leader died
/// and its gateway proposed it again: it takes effect once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Drawn once by the node that took the request.
    pub request_id: RequestId,
    /// Log time after which the command is refused and its answer forgotten.
    pub deadline: Timestamp,
    /// What to do.
    pub command: Command,
}

/// A change of the table. Ids and all that is random come with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Adds jobs, all or none.
    Enqueue {
        /// In the order of the answer.
        jobs: Vec<NewJob>,
        /// The client's key, if it gave one.
        key: Option<IdempotencyKey>,
    },
    /// Grants queued jobs to a consumer: of a queue, highest priority first; of a priority, keys in turns; of a key, first in
    /// first out.
    Consume {
        /// What it wants.
        take: Take,
        /// The client's key, if it gave one.
        key: Option<IdempotencyKey>,
    },
    /// Ends a running job well.
    Succeed {
        /// Which.
        id: JobId,
        /// Its output.
        log: Bytes,
    },
    /// Ends a running job badly; may enqueue its automatic retry.
    Fail {
        /// Which.
        id: JobId,
        /// Why.
        reason: Reason,
        /// In the worker's words.
        details: Box<str>,
        /// Its output.
        log: Bytes,
        /// Whether it is not to be retried automatically.
        for_good: bool,
    },
    /// Gives a running job back: it is called off, and a new job goes on from it. That is no attempt of it.
    Release {
        /// Which.
        id: JobId,
        /// The id that the new job gets.
        new_id: JobId,
        /// Seconds that it waits.
        delay: u32,
    },
    /// Gives back what a worker holds that is no more: up to [`crate::limits::JOBS_PER_REQUEST`] jobs.
    WorkerGone {
        /// Its name.
        worker: Box<str>,
    },
    /// Ends running jobs, each for itself, and grants some others in the same entry: what Succeed, Fail and Consume do, in one
    /// round.
    Finish {
        /// 1 to [`crate::limits::JOBS_PER_REQUEST`], in the order of the answer.
        endings: Vec<Ending>,
        /// The others, if any; none are granted where no ending was taken.
        take: Option<Take>,
        /// The client's key, if it gave one.
        key: Option<IdempotencyKey>,
    },
    /// Calls a delayed, queued or running job off.
    Cancel {
        /// Which.
        id: JobId,
        /// In the client's words.
        details: Box<str>,
    },
    /// Gives a running job another `timeout` seconds from now.
    Touch {
        /// Which.
        id: JobId,
        /// How far it has come; `None`: as far as was said before.
        progress: Option<Progress>,
    },
    /// Adds to the log of a running job.
    AppendLog {
        /// Which.
        id: JobId,
        /// What is added, at least a byte.
        log: Bytes,
        /// How long the log was before: so a request that is sent again adds nothing. `None`: whatever it was.
        offset: Option<u32>,
    },
    /// Enqueues a finished job again, as a new job.
    Retry {
        /// The finished job.
        id: JobId,
        /// The id that the new job gets.
        new_id: JobId,
        /// Whether the new job has all its automatic retries again; else those that the finished one had left.
        anew: bool,
        /// The client's key, if it gave one.
        key: Option<IdempotencyKey>,
    },
    /// Removes a finished job with its log, for good.
    Delete {
        /// Which.
        id: JobId,
    },
    /// Changes the cluster's settings.
    Configure {
        /// All of them.
        settings: Settings,
    },
    /// Changes what a queue is like, and makes it where there is none.
    ConfigureQueue {
        /// Which.
        name: QueueName,
        /// In this order; what none of them names stays.
        settings: Vec<Setting>,
    },
    /// Makes a queue as if nobody had set it. It is gone with its last job.
    DeleteQueue {
        /// Which.
        name: QueueName,
    },
    /// Begins work on many jobs.
    StartOperation {
        /// What, and on which.
        operation: NewOperation,
        /// The client's key, if it gave one.
        key: Option<IdempotencyKey>,
    },
    /// Does the next part of it. The leader's, not a client's. It has no effect where the operation stands elsewhere than at
    /// `from`: so a step is done once, however often and by whomever it is proposed.
    StepOperation {
        /// Which.
        id: OperationId,
        /// What that does.
        action: Action,
        /// Where it stands: [`crate::Operation::cursor`].
        from: u64,
        /// Where it goes on; `None`: this is its last step.
        to: Option<u64>,
        /// The jobs, up to [`crate::limits::OPERATION_JOBS_PER_STEP`].
        jobs: Vec<JobId>,
    },
    /// Ends work on many jobs before it is done.
    StopOperation {
        /// Which.
        id: OperationId,
    },
    /// Raises the cluster's feature level. The leader's, not a client's.
    Raise {
        /// The new one.
        level: FeatureLevel,
    },
}

impl Command {
    /// The feature level that a cluster must have for this command to get into its log.
    pub fn level(&self) -> FeatureLevel {
        match self {
            Command::Enqueue { .. }
            | Command::Consume { .. }
            | Command::Succeed { .. }
            | Command::Fail { .. }
            | Command::Release { .. }
            | Command::WorkerGone { .. }
            | Command::Finish { .. }
            | Command::Cancel { .. }
            | Command::Touch { .. }
            | Command::AppendLog { .. }
            | Command::Retry { .. }
            | Command::Delete { .. }
            | Command::Configure { .. }
            | Command::ConfigureQueue { .. }
            | Command::DeleteQueue { .. }
            | Command::StartOperation { .. }
            | Command::StepOperation { .. }
            | Command::StopOperation { .. }
            | Command::Raise { .. } => FeatureLevel(1),
        }
    }

    /// The feature level that a program must understand to go on after this command: a higher one of the cluster ends an older program.
    pub fn demands(&self) -> FeatureLevel {
        match self {
            Command::Raise { level } => self.level().max(*level),
            _ => self.level(),
        }
    }

    /// Whether it adds jobs, and with them what takes room. Everything else leads to the end of jobs that are there, or
    /// removes them: a cluster that is short of room goes on with it.
    pub fn adds_jobs(&self) -> bool {
        match self {
            Command::Enqueue { .. } | Command::Retry { .. } => true,
            Command::StartOperation { operation: NewOperation { action, .. }, .. }
            | Command::StepOperation { action, .. } => match action {
                Action::Retry => true,
                Action::Cancel | Action::Delete => false,
            },
            Command::Consume { .. }
            | Command::Succeed { .. }
            | Command::Fail { .. }
            | Command::Release { .. }
            | Command::WorkerGone { .. }
            | Command::Finish { .. }
            | Command::Cancel { .. }
            | Command::Touch { .. }
            | Command::AppendLog { .. }
            | Command::Delete { .. }
            | Command::Configure { .. }
            | Command::ConfigureQueue { .. }
            | Command::DeleteQueue { .. }
            | Command::StopOperation { .. }
            | Command::Raise { .. } => false,
        }
    }

    /// Most jobs that it looks for, enqueues, grants, ends or changes otherwise: how long it takes to carry out.
    pub fn jobs(&self) -> usize {
        let wanted = |take: &Take| usize::try_from(take.n).unwrap_or(usize::MAX);
        match self {
            Command::Enqueue { jobs, .. } => jobs.len(),
            Command::Consume { take, .. } => wanted(take),
            Command::Finish { endings, take, .. } => {
                endings.len().saturating_add(take.as_ref().map_or(0, wanted))
            }
            Command::WorkerGone { .. } => limits::JOBS_PER_REQUEST,
            Command::StepOperation { jobs, .. } => jobs.len(),
            Command::Retry { .. } => limits::JOBS_THAT_GO_ON,
            Command::Succeed { .. }
            | Command::Fail { .. }
            | Command::Release { .. }
            | Command::Cancel { .. }
            | Command::Touch { .. }
            | Command::AppendLog { .. }
            | Command::Delete { .. }
            | Command::Configure { .. }
            | Command::ConfigureQueue { .. }
            | Command::DeleteQueue { .. }
            | Command::StartOperation { .. }
            | Command::StopOperation { .. }
            | Command::Raise { .. } => 1,
        }
    }

    /// Most jobs and keys that it adds.
    pub(crate) fn may_add(&self) -> usize {
        let jobs = match self {
            Command::Enqueue { jobs, .. } => jobs.len(),
            Command::Finish { endings, .. } => {
                endings.iter().filter(|ending| ending.failure.is_some()).count()
            }
            Command::StepOperation { action: Action::Retry, jobs, .. } => jobs.len(),
            // Fail: its automatic retry.
            // What a worker that is gone gives back was counted when it came; it is seldom.
            Command::Retry { .. }
            | Command::Fail { .. }
            | Command::Release { .. }
            | Command::WorkerGone { .. } => 1,
            Command::Consume { .. }
            | Command::Succeed { .. }
            | Command::Cancel { .. }
            | Command::Touch { .. }
            | Command::AppendLog { .. }
            | Command::Delete { .. }
            | Command::Configure { .. }
            | Command::ConfigureQueue { .. }
            | Command::DeleteQueue { .. }
            | Command::StartOperation { .. }
            | Command::StepOperation { action: Action::Cancel | Action::Delete, .. }
            | Command::StopOperation { .. }
            | Command::Raise { .. } => 0,
        };
        jobs + usize::from(self.key().is_some())
    }

    /// The client's Idempotency-Key, where the command takes one and it gave one.
    pub fn key(&self) -> Option<&IdempotencyKey> {
        match self {
            Command::Enqueue { key, .. }
            | Command::Consume { key, .. }
            | Command::Finish { key, .. }
            | Command::Retry { key, .. }
            | Command::StartOperation { key, .. } => key.as_ref(),
            Command::Succeed { .. }
            | Command::Fail { .. }
            | Command::Release { .. }
            | Command::WorkerGone { .. }
            | Command::Cancel { .. }
            | Command::Touch { .. }
            | Command::AppendLog { .. }
            | Command::Delete { .. }
            | Command::Configure { .. }
            | Command::ConfigureQueue { .. }
            | Command::DeleteQueue { .. }
            | Command::StepOperation { .. }
            | Command::StopOperation { .. }
            | Command::Raise { .. } => None,
        }
    }
}

/// A job to enqueue. Its fields were checked against [`crate::limits`] by the gateway; [`crate::apply()`] checks them
/// again and refuses the whole command where one is outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewJob {
    /// Drawn by the gateway.
    pub id: JobId,
    /// The queue to wait in, which is made where there is none.
    pub queue: QueueName,
    /// See [`crate::Job::priority`].
    pub priority: Priority,
    /// See [`crate::Job::key`].
    pub key: Box<str>,
    /// See [`crate::Job::tags`].
    pub tags: Box<[Box<str>]>,
    /// See [`crate::Job::unique`]: where another job keeps it away, that one is answered, and nothing is added.
    pub unique: Option<Unique>,
    /// What to run.
    pub image: Box<str>,
    /// The UUIDv5 of `image`.
    pub image_id: ImageId,
    /// The job's input.
    pub payload: Bytes,
    /// Seconds to wait before it is queued.
    pub delay: u32,
    /// Seconds that it may run; `None`: as its queue says.
    pub timeout: Option<u32>,
    /// Automatic retries; `None`: as its queue says.
    pub max_retries: Option<u32>,
    /// Seconds that each automatic retry waits, but for its queue's back-off; `None`: as its queue says.
    pub retries_delay: Option<u32>,
}

impl NewJob {
    /// What makes the lane that it waits in.
    pub(crate) fn lane(&self) -> (&QueueName, Priority, ImageId, &str) {
        (&self.queue, self.priority, self.image_id, &self.key)
    }
}

/// Work on many jobs that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewOperation {
    /// Drawn by the gateway.
    pub id: OperationId,
    /// What is done to each job.
    pub action: Action,
    /// The words that jobs are called off with.
    pub details: Box<str>,
    /// Which jobs.
    pub selection: Selection,
    /// The same as it is shown. What is done does not depend on it.
    pub words: Box<str>,
}

/// How a running job ended, as its worker says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Which job.
    pub id: JobId,
    /// `None`: well.
    pub failure: Option<Failure>,
    /// Its output.
    pub log: Bytes,
}

/// Why a job ended badly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Why.
    pub reason: Reason,
    /// In the worker's words.
    pub details: Box<str>,
    /// Whether it is not to be retried automatically.
    pub for_good: bool,
}

/// A client's `Idempotency-Key` with the hash of the request that it stood on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// The header's value.
    pub key: Box<str>,
    /// SHA-256 over the call and its body: the same key with another one is refused.
    pub body_hash: [u8; 32],
}
