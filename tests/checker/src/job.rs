use serde::{Deserialize, Serialize};

use crate::queue::{default_queue, is_default_queue};

/// A job as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewJob {
    /// What tells it from every other job of the history; it stands in the payload, so that answers carry it back.
    pub tag: Box<str>,
    /// [`crate::body_hash()`] of the payload.
    pub hash: Box<str>,
    /// The queue that it waits in.
    #[serde(default = "default_queue", skip_serializing_if = "is_default_queue")]
    pub queue: Box<str>,
    /// Whose it is; empty for none.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub key: Box<str>,
    /// What it is the only one of, in its queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unique: Option<Unique>,
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
    /// [`crate::body_hash()`] of its payload.
    pub hash: Box<str>,
    /// Where it stands.
    pub status: Status,
    /// The queue that it waits in.
    #[serde(default = "default_queue", skip_serializing_if = "is_default_queue")]
    pub queue: Box<str>,
    /// Whose it is; empty for none.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub key: Box<str>,
    /// What it is the only one of, in its queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unique: Option<Unique>,
    /// 2 is served before 1, 1 before 0.
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
    /// True in the answer to an enqueue that it kept the job away which was asked for.
    #[serde(default, skip_serializing_if = "is_false")]
    pub duplicate: bool,
}

/// What a job is the only one of, in its queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unique {
    /// No other job of this key is added while it holds it.
    pub key: Box<str>,
    /// How long that is.
    #[serde(default)]
    pub until: Until,
}

/// How long a job keeps others of its unique key away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Until {
    /// Until a consumer has it, or it was cancelled.
    Started,
    /// Until it has finished, and what goes on from it without being asked for.
    #[default]
    Finished,
    /// For so many seconds of log time since it was added.
    For(u32),
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

    /// Its word in REST.
    pub fn word(self) -> &'static str {
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
fn is_zero(number: &u8) -> bool {
    *number == 0
}
fn is_false(flag: &bool) -> bool {
    !flag
}
fn is_no_delay(seconds: &u32) -> bool {
    *seconds == 0
}
