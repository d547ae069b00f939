use crate::{ImageId, JobId, QueueId, Timestamp, Unique, limits};

/// A job's record: small and often rewritten. Its payload and its log are separate values of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// Its place among all jobs that ever were, in the order in which the log brought them: the newer, the higher. Lists
    /// go by it; its id is ordered by the wall clock of whichever node drew it. Where a job was queued at once, it is its
    /// place in the lane, too.
    pub number: u64,
    /// The queue that it waits in.
    pub queue: QueueId,
    /// 2 is served before 1, 1 before 0.
    pub priority: Priority,
    /// Whose it is, as its client says: keys take turns. Empty for none.
    pub key: Box<str>,
    /// What its client found worth looking for: lists find it by each of them. A retry has them too.
    pub tags: Box<[Box<str>]>,
    /// What to run: the image's name.
    pub image: Box<str>,
    /// The image's id.
    pub image_id: ImageId,
    /// What it is the only one of, if anything.
    pub unique: Option<Unique>,
    /// Where its payload is, and how long.
    pub payload: Payload,
    /// The delay that it was enqueued with, in seconds.
    pub delay: u32,
    /// Seconds from its start, or its last touch, to its timeout.
    pub timeout: u32,
    /// Automatic retries left, this job's failure included.
    pub max_retries: u32,
    /// Automatic retries that it was enqueued with, or the one was that it goes on from.
    pub all_retries: u32,
    /// 1 for a new job and for one that retries another by hand; one more for each automatic retry.
    pub attempt: u32,
    /// How often its worker gave it back: it, and what it goes on from.
    pub releases: u32,
    /// Seconds that its automatic retry waits.
    pub retries_delay: u32,
    /// When it was enqueued.
    pub created_at: Timestamp,
    /// When a consumer took it.
    pub started_at: Option<Timestamp>,
    /// Who took it, where that was said; else empty.
    pub worker: Box<str>,
    /// When it reached a final state.
    pub completed_at: Option<Timestamp>,
    /// When it has been kept for long enough, where its queue said so when it finished; else the cluster's retention says.
    pub keep_until: Option<Timestamp>,
    /// Where it stands.
    pub state: State,
    /// Length of its log in bytes; a finished job has a log, maybe an empty one.
    pub log_bytes: u32,
    /// In how many parts its log came while it ran; 0 where it came with its end.
    pub log_parts: u32,
    /// How far it has come, as its worker said last.
    pub progress: Option<Progress>,
    /// The job that this one retries: its direct predecessor.
    pub retry_of: Option<JobId>,
    /// The latest job that retries this one.
    pub retry_id: Option<JobId>,
}

impl Job {
    /// The state's name, without what belongs to it.
    pub fn status(&self) -> Status {
        self.state.status()
    }

    /// True for a new job, and for one that retries another by hand; false for what goes on by itself: an automatic retry, and what was given
    /// back.
    pub fn was_asked_for(&self) -> bool {
        self.attempt == 1 && self.releases == 0
    }

    /// True for a job that ended in error and that no other was made to go on from: nobody has retried it, nor will the cluster. A
    /// retry that was deleted since counts all the same.
    pub fn is_dead(&self) -> bool {
        self.status() == Status::Error && self.retry_id.is_none()
    }
}

/// How far a job has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// 0 to 100.
    pub percent: u8,
    /// In its worker's words.
    pub text: Box<str>,
}

/// Where a payload is. A retry shares the payload of the job that it retries, so that no payload is ever copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payload {
    /// The job under whose id the bytes are stored: this one, or the first of its retry chain.
    pub owner: JobId,
    /// Length in bytes. An empty payload is not stored.
    pub bytes: u32,
}

/// Where a job stands, with what only that state has. The table's indexes follow from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Waits for its time; indexed by `due`.
    Delayed {
        /// When it becomes queued.
        due: Timestamp,
    },
    /// Waits in its lane ([`crate::Lane`]), by seq.
    Queued {
        /// Its place: lower is served earlier. Given once, never reused.
        seq: u64,
        /// Since when.
        since: Timestamp,
    },
    /// A consumer has it; indexed by `deadline`.
    Running {
        /// When it times out.
        deadline: Timestamp,
    },
    /// Finished well.
    Success,
    /// Finished badly.
    Error {
        /// Why.
        reason: Reason,
        /// Who said so: a repeated fail is answered alike only where the client did.
        by: EndedBy,
        /// The worker's words.
        details: Box<str>,
    },
    /// Called off.
    Cancelled {
        /// The words of whoever cancelled it.
        details: Box<str>,
        /// Whether it was given back: another job goes on from it.
        released: bool,
    },
}

impl State {
    /// The state's name.
    pub fn status(&self) -> Status {
        match self {
            State::Delayed { .. } => Status::Delayed,
            State::Queued { .. } => Status::Queued,
            State::Running { .. } => Status::Running,
            State::Success => Status::Success,
            State::Error { .. } => Status::Error,
            State::Cancelled { .. } => Status::Cancelled,
        }
    }

    /// Its place in its lane, and since when it has it.
    pub(crate) fn place(&self) -> Option<(u64, Timestamp)> {
        match self {
            State::Queued { seq, since } => Some((*seq, *since)),
            State::Delayed { .. }
            | State::Running { .. }
            | State::Success
            | State::Error { .. }
            | State::Cancelled { .. } => None,
        }
    }

    /// When time changes it: the due time of a delayed job, the deadline of a running one.
    pub fn timer(&self) -> Option<Timestamp> {
        match self {
            State::Delayed { due } => Some(*due),
            State::Running { deadline } => Some(*deadline),
            State::Queued { .. } | State::Success | State::Error { .. } | State::Cancelled { .. } => None,
        }
    }
}

/// The six words that the REST contract has for a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Waits for its time.
    Delayed,
    /// Waits for a consumer.
    Queued,
    /// A consumer has it.
    Running,
    /// Finished well.
    Success,
    /// Finished badly.
    Error,
    /// Called off.
    Cancelled,
}

impl Status {
    /// All of them, in the order of a job's life.
    pub const ALL: [Status; 6] =
        [Status::Delayed, Status::Queued, Status::Running, Status::Success, Status::Error, Status::Cancelled];

    /// Those of jobs that have not finished.
    pub const ACTIVE: [Status; 3] = [Status::Delayed, Status::Queued, Status::Running];

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Delayed => "delayed",
            Status::Queued => "queued",
            Status::Running => "running",
            Status::Success => "success",
            Status::Error => "error",
            Status::Cancelled => "cancelled",
        }
    }

    /// True for the three states that nothing leaves.
    pub fn is_final(self) -> bool {
        match self {
            Status::Delayed | Status::Queued | Status::Running => false,
            Status::Success | Status::Error | Status::Cancelled => true,
        }
    }
}

/// Why a job ended in `error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It ran longer than its timeout.
    Timeout,
    /// Its worker was killed, for example for memory.
    Killed,
    /// It ended by itself, badly.
    BadExit,
}

impl Reason {
    /// All of them.
    pub const ALL: [Reason; 3] = [Reason::Timeout, Reason::Killed, Reason::BadExit];

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Timeout => "timeout",
            Reason::Killed => "killed",
            Reason::BadExit => "bad_exit",
        }
    }
}

/// Who ended a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedBy {
    /// A worker's fail.
    Client,
    /// The cluster: its deadline passed.
    Cluster,
}

/// 0, 1 or 2; 2 is served first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Priority(u8);

impl Priority {
    /// All of them, first served first.
    pub const SERVED: [Priority; 3] = [Priority(2), Priority(1), Priority(0)];

    /// The priority of that number; `None` above 2.
    pub fn new(number: u8) -> Option<Priority> {
        (u32::from(number) <= limits::PRIORITY).then_some(Priority(number))
    }

    /// Its number.
    pub fn get(self) -> u8 {
        self.0
    }
}

/// An image that jobs have named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The UUIDv5 of its name.
    pub id: ImageId,
    /// What jobs call it.
    pub name: Box<str>,
    /// When a job first named it.
    pub created_at: Timestamp,
    /// When a job last named it, give or take [`crate::limits::IMAGE_RENEWAL_MILLIS`].
    pub named_at: Timestamp,
}
