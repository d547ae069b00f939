//! The lines of a history: each is one JSON object with one key, which says what the line is.
//!
//! Times called `invoke`, `return` and `at` are microseconds on the harness's one clock; those of jobs (`created`,
//! `started`, `completed`) are milliseconds of log time, as answers give them. What a field leaves out is its default,
//! for a job the default of the REST interface.

use serde::{Deserialize, Serialize};

use crate::log_index::LogIndex;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// The first line.
    Run(Run),
    /// One request, with what came of it. In any order.
    Op(Box<Op>),
    /// Faults are over and every node says that it is ready: requests invoked from here on must succeed.
    Healed(Healed),
    /// All jobs of one node, at rest: so many `job` lines follow at once.
    Scan(Scan),
    /// A job of the scan above.
    Job(Box<JobRecord>),
    /// The last line: a history without it was cut short.
    End(End),
}

/// What was run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The format of this file, [`FORMAT`].
    pub format: u32,
    /// The nodes' names; each must be scanned at the end.
    pub nodes: Vec<Box<str>>,
    /// How far log time may be from the harness's clock over the length of a delay or timeout, in milliseconds: the
    /// clock faults that were injected, and what a change of the leader may move.
    #[serde(default = "default_skew")]
    pub skew_ms: u64,
    /// How long a due timer may wait at the end, in milliseconds of log time.
    #[serde(default = "default_late")]
    pub late_ms: u64,
    /// How long finished jobs are kept, in seconds.
    #[serde(default = "default_retention")]
    pub retention: u64,
    /// In words, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
}

/// The format that this checker reads.
pub const FORMAT: u32 = 1;

/// A request and its outcome: one attempt, so a repeated request is two of these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Op {
    /// Which client; one has at most one request open.
    pub client: u32,
    /// The node that was asked.
    pub node: Box<str>,
    /// When the request went out.
    pub invoke: u64,
    /// When the answer was there, or when the client gave up.
    #[serde(rename = "return")]
    pub returned: u64,
    /// What was asked.
    pub call: Call,
    /// The `Idempotency-Key` that it carried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Box<str>>,
    /// What is known of its effect.
    pub outcome: Outcome,
    /// The status code, if there was an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The header `Quorate-Index`, as it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<LogIndex>,
    /// The jobs of the answer, in its order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub jobs: Vec<JobRecord>,
}

/// A request to the REST interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Call {
    /// `POST /jobs`
    Enqueue {
        /// In the order given.
        jobs: Vec<NewJob>,
    },
    /// `POST /jobs/consume`
    Consume {
        /// At most so many.
        n: u32,
    },
    /// `POST /job/{id}/success`
    Success {
        /// Which.
        id: Box<str>,
        /// Hash of the log that was sent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        log: Option<Box<str>>,
    },
    /// `POST /job/{id}/fail`
    Fail {
        /// Which.
        id: Box<str>,
        /// Why.
        reason: Reason,
        /// Hash of the log that was sent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        log: Option<Box<str>>,
    },
    /// `POST /job/{id}/cancel`
    Cancel {
        /// Which.
        id: Box<str>,
    },
    /// `POST /job/{id}/touch`
    Touch {
        /// Which.
        id: Box<str>,
    },
    /// `POST /job/{id}/retry`
    Retry {
        /// The job to run again.
        id: Box<str>,
    },
    /// `DELETE /job/{id}`
    Delete {
        /// Which.
        id: Box<str>,
    },
    /// `GET /job/{id}`
    Get {
        /// Which.
        id: Box<str>,
        /// With `?consistency=linearizable`.
        #[serde(default, skip_serializing_if = "is_false")]
        linearizable: bool,
    },
    /// `GET /jobs`
    List {
        /// With `?consistency=linearizable`.
        #[serde(default, skip_serializing_if = "is_false")]
        linearizable: bool,
    },
}

impl Call {
    /// True where it only reads.
    pub fn is_read(&self) -> bool {
        match self {
            Call::Get { .. } | Call::List { .. } => true,
            Call::Enqueue { .. }
            | Call::Consume { .. }
            | Call::Success { .. }
            | Call::Fail { .. }
            | Call::Cancel { .. }
            | Call::Touch { .. }
            | Call::Retry { .. }
            | Call::Delete { .. } => false,
        }
    }

    /// True for a read that asks for certainty.
    pub fn is_linearizable(&self) -> bool {
        match self {
            Call::Get { linearizable, .. } | Call::List { linearizable } => *linearizable,
            Call::Enqueue { .. }
            | Call::Consume { .. }
            | Call::Success { .. }
            | Call::Fail { .. }
            | Call::Cancel { .. }
            | Call::Touch { .. }
            | Call::Retry { .. }
            | Call::Delete { .. } => false,
        }
    }

    /// The job that it names.
    pub fn id(&self) -> Option<&str> {
        match self {
            Call::Enqueue { .. } | Call::Consume { .. } | Call::List { .. } => None,
            Call::Success { id, .. }
            | Call::Fail { id, .. }
            | Call::Cancel { id }
            | Call::Touch { id }
            | Call::Retry { id }
            | Call::Delete { id }
            | Call::Get { id, .. } => Some(id),
        }
    }
}

/// A job as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewJob {
    /// What tells it from every other job of the history; it stands in the payload, so that answers carry it back.
    pub tag: Box<str>,
    /// [`crate::body_hash`] of the payload.
    pub hash: Box<str>,
    /// 2 is served before 1, 1 before 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub priority: u8,
    /// Seconds until it may be taken.
    #[serde(default, skip_serializing_if = "is_no_delay")]
    pub delay: u32,
    /// Seconds that it may run.
    #[serde(default = "default_timeout", skip_serializing_if = "is_default_timeout")]
    pub timeout: u32,
    /// Automatic retries.
    #[serde(default = "default_max_retries", skip_serializing_if = "is_default_max_retries")]
    pub max_retries: u32,
    /// Seconds that an automatic retry waits.
    #[serde(default = "default_retries_delay", skip_serializing_if = "is_default_retries_delay")]
    pub retries_delay: u32,
}

/// A job as an answer or a scan showed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobRecord {
    /// Its id.
    pub id: Box<str>,
    /// The tag that its payload carries.
    pub tag: Box<str>,
    /// [`crate::body_hash`] of its payload.
    pub hash: Box<str>,
    /// Where it stands.
    pub status: Status,
    /// Its lane.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub priority: u8,
    /// Seconds of delay that it was enqueued with.
    #[serde(default, skip_serializing_if = "is_no_delay")]
    pub delay: u32,
    /// Seconds that it may run.
    #[serde(default = "default_timeout", skip_serializing_if = "is_default_timeout")]
    pub timeout: u32,
    /// Automatic retries left.
    #[serde(default = "default_max_retries", skip_serializing_if = "is_default_max_retries")]
    pub max_retries: u32,
    /// Seconds that its automatic retry waits.
    #[serde(default = "default_retries_delay", skip_serializing_if = "is_default_retries_delay")]
    pub retries_delay: u32,
    /// `created_at`
    pub created: u64,
    /// `started_at`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<u64>,
    /// `completed_at`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed: Option<u64>,
    /// Why it ended in error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The job that it retries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_of: Option<Box<str>>,
    /// The job that retries it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_id: Option<Box<str>>,
    /// Hash of its log, where somebody read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<Box<str>>,
}

/// What is known of a request's effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Answered with 2xx.
    Ok,
    /// It certainly had no effect: refused, not found, or never sent.
    Fail,
    /// It may have had its effect, or may still have it later.
    Info,
}

/// The word that REST has for a job's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Status {
    Delayed,
    Queued,
    Running,
    Success,
    Error,
    Cancelled,
}

impl Status {
    /// How far a job's life has come: it never goes back.
    pub fn rank(self) -> u8 {
        match self {
            Status::Delayed => 0,
            Status::Queued => 1,
            Status::Running => 2,
            Status::Success | Status::Error | Status::Cancelled => 3,
        }
    }

    /// True for the three states that nothing leaves.
    pub fn is_final(self) -> bool {
        self.rank() == 3
    }
}

/// Why a job ended in error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Reason {
    Timeout,
    Killed,
    BadExit,
}

/// When the faults ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Healed {
    /// On the harness's clock.
    pub at: u64,
}

/// A scan of one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scan {
    /// Which.
    pub node: Box<str>,
    /// Its applied index, the same before and after the scan: if it moved, scan again.
    pub index: u64,
    /// The number of jobs in every status.
    pub jobs: usize,
}

/// The end of the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// How many `op` lines there are.
    pub ops: usize,
}

fn default_skew() -> u64 {
    1_000
}
fn default_late() -> u64 {
    10_000
}
fn default_retention() -> u64 {
    quorate_core::limits::RETENTION_SECONDS_DEFAULT
}
fn default_timeout() -> u32 {
    60
}
fn default_max_retries() -> u32 {
    3
}
fn default_retries_delay() -> u32 {
    60
}
fn is_default_timeout(seconds: &u32) -> bool {
    *seconds == default_timeout()
}
fn is_default_max_retries(retries: &u32) -> bool {
    *retries == default_max_retries()
}
fn is_default_retries_delay(seconds: &u32) -> bool {
    *seconds == default_retries_delay()
}
fn is_false(flag: &bool) -> bool {
    !flag
}
fn is_zero(number: &u8) -> bool {
    *number == 0
}
fn is_no_delay(seconds: &u32) -> bool {
    *seconds == 0
}
