use crate::{Job, JobId, OperationId, RequestId, State, Status};

/// The answer to one command of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// Which request this answers.
    pub request_id: RequestId,
    /// Where in the log it took effect: for a repeated request, where it did the first time.
    pub position: Position,
    /// True when it repeats what an earlier request under the same Idempotency-Key was answered. That a node proposed the
    /// request twice does not count: no client sees it.
    pub replayed: bool,
    /// What came of it.
    pub outcome: Outcome,
}

/// Done, with a reply, or refused. (Unknown, the third outcome of a request, cannot happen here: see [`crate::Unavailable`].)
pub type Outcome = Result<Reply, Refusal>;

/// A place in the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The log entry.
    pub index: u64,
    /// The command's place in it.
    pub offset: u32,
}

/// What a command that took effect answers. Jobs come without their payloads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// To consume; to what a worker gives back: the new ones.
    Jobs(Vec<Job>),
    /// To enqueue.
    Enqueued {
        /// In the order in which they were asked for.
        jobs: Vec<Job>,
        /// The places in `jobs` of those that were there before, and keep the new one away.
        duplicates: Vec<u32>,
    },
    /// To succeed, fail, cancel, retry and release: the job as it is now; for retry and release, the new one. To what is added to a log that
    /// is that long already.
    Job(Box<Job>),
    /// To finish.
    Finished {
        /// The jobs as they are now, in the order of the endings.
        ended: Vec<Result<Job, Refusal>>,
        /// Those that were granted.
        taken: Vec<Job>,
    },
    /// To start work on many jobs.
    Operation(OperationId),
    /// To touch, delete, configure and raise; to what was added to a log; to a step of such work, and to its stop.
    Done,
}

/// Why a command took no effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No job has that id.
    NoSuchJob,
    /// The job's status does not allow it.
    WrongStatus {
        /// What it is.
        status: Status,
    },
    /// A job from which others went on by themselves is not retried by hand, but the last one that goes on from it.
    RetriedAutomatically,
    /// The Idempotency-Key was used for another request.
    KeyReused,
    /// The command came after its deadline, or with a deadline too far ahead: it was not carried out.
    OutsideDeadline,
    /// A field of the command is outside its limits; the gateway should have refused it.
    Invalid {
        /// Which field.
        field: &'static str,
    },
    /// It was given back as often as it may be.
    ReleasedTooOften,
    /// A new job's id is taken.
    IdTaken,
    /// No queue has that name.
    NoSuchQueue,
    /// The queue has jobs that have not finished.
    QueueInUse,
    /// There are as many queues as there may be.
    TooManyQueues,
    /// Jobs wait in as many lanes as they may: of queue, priority, image and key.
    TooManyLanes,
    /// No such work on many jobs is known, or no more.
    NoSuchOperation,
    /// As much work on many jobs goes on as may.
    TooManyOperations,
}

/// What is kept of an answer, to give it again: enough to render it from the jobs as they are then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remembered {
    /// Jobs that were enqueued, or were there before.
    Enqueued {
        /// In the order in which they were asked for.
        jobs: Vec<JobId>,
        /// See [`Reply::Enqueued`].
        duplicates: Vec<u32>,
    },
    /// Jobs that go on from those that a worker gave back.
    Released(Vec<JobId>),
    /// Jobs that were granted; given again, those still running of them.
    Consumed(Vec<JobId>),
    /// What came of each ending, and the jobs that were granted; given again, those still running of them.
    Finished {
        /// In the order of the endings.
        ended: Vec<Result<JobId, Refusal>>,
        /// Those that were granted.
        taken: Vec<JobId>,
    },
    /// One job.
    Job(JobId),
    /// Work on many jobs.
    Operation(OperationId),
    /// Nothing to render.
    Done,
    /// A refusal.
    Refused(Refusal),
}

impl Remembered {
    /// The jobs that it names.
    pub fn ids(&self) -> Vec<JobId> {
        match self {
            Remembered::Enqueued { jobs: ids, .. }
            | Remembered::Consumed(ids)
            | Remembered::Released(ids) => ids.clone(),
            Remembered::Finished { ended, taken } => {
                ended.iter().filter_map(|ended| ended.as_ref().ok()).chain(taken).copied().collect()
            }
            Remembered::Job(id) => vec![*id],
            Remembered::Operation(_) | Remembered::Done | Remembered::Refused(_) => Vec::new(),
        }
    }

    /// Gives the answer again. `jobs` are those that it names, in that order, as they are now; those that were deleted are left
    /// out, and of those granted to a consumer the ones that it no longer has.
    pub fn render(&self, mut jobs: Vec<Job>) -> Outcome {
        match self {
            Remembered::Enqueued { jobs: ids, duplicates } => {
                let mut left = jobs.into_iter().peekable();
                let (mut jobs, mut still) = (Vec::new(), Vec::new());
                for (place, id) in (0..).zip(ids) {
                    let Some(job) = left.next_if(|job| job.id == *id) else { continue };
                    if duplicates.contains(&place) {
                        still.push(u32::try_from(jobs.len()).unwrap_or(u32::MAX));
                    }
                    jobs.push(job);
                }
                Ok(Reply::Enqueued { jobs, duplicates: still })
            }
            Remembered::Released(_) => Ok(Reply::Jobs(jobs)),
            Remembered::Consumed(_) => {
                jobs.retain(is_running);
                Ok(Reply::Jobs(jobs))
            }
            Remembered::Finished { ended, .. } => {
                let mut jobs = jobs.into_iter().peekable();
                let mut again = |ended: &Result<JobId, Refusal>| match ended {
                    Ok(id) => jobs.next_if(|job| job.id == *id).ok_or(Refusal::NoSuchJob),
                    Err(refusal) => Err(refusal.clone()),
                };
                let ended = ended.iter().map(&mut again).collect();
                Ok(Reply::Finished { ended, taken: jobs.filter(is_running).collect() })
            }
            Remembered::Job(_) => jobs.pop().map(|job| Reply::Job(Box::new(job))).ok_or(Refusal::NoSuchJob),
            Remembered::Operation(id) => Ok(Reply::Operation(*id)),
            Remembered::Done => Ok(Reply::Done),
            Remembered::Refused(refusal) => Err(refusal.clone()),
        }
    }
}

fn is_running(job: &Job) -> bool {
    matches!(job.state, State::Running { .. })
}
