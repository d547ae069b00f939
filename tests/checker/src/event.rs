//! The lines of a history: each is one JSON object with one key, which says what the line is.
//!
//! Times called `invoke`, `return`, `from`, `until` and `at` are microseconds on the harness's one clock; those of jobs (`created`,
//! `started`, `completed`) are milliseconds of log time, as answers give them. What a field leaves out is its default,
//! for a job the default of the REST interface.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::call::Call;
use crate::finish::Ended;
use crate::job::JobRecord;
use crate::log_index::LogIndex;
use crate::operation::OperationRecord;
use crate::queue::QueueLimits;

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
    /// Harm that was done, once it is over.
    Fault(Fault),
    /// What the queues of one node say of how many jobs they have, beside what a list of all jobs had.
    Counts(Counts),
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
    /// The format of this file, up to [`FORMAT`].
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
    /// How long something that must happen at once may take while nobody harms the cluster, in milliseconds.
    #[serde(default = "default_prompt")]
    pub prompt_ms: u64,
    /// A write that was not answered has its effect within so long, in milliseconds of log time, or never.
    #[serde(default = "default_write")]
    pub write_ms: u64,
    /// How long finished jobs are kept, in seconds.
    #[serde(default = "default_retention")]
    pub retention: u64,
    /// What limits queues, set before the first request; the others have no limits.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub queues: BTreeMap<Box<str>, QueueLimits>,
    /// In words, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
}

/// The newest format that this checker reads: 2 has queues; 3 their rates, changes of them and their counts, unique jobs, those
/// that are given back, and consumes by weight and of any queue; 4 work on many jobs. What an older one says means the same.
pub const FORMAT: u32 = 4;

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
    /// True where the client went away by itself, without waiting for the answer.
    #[serde(default, skip_serializing_if = "is_false")]
    pub left: bool,
    /// What is known of its effect.
    pub outcome: Outcome,
    /// The status code, if there was an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The header `Quorate-Index`, as it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<LogIndex>,
    /// True where the answer says that it repeats an earlier one, as the header `Idempotent-Replayed` does.
    #[serde(default, skip_serializing_if = "is_false")]
    pub replayed: bool,
    /// The jobs of the answer, in its order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub jobs: Vec<JobRecord>,
    /// What became of each ending of a finish, in its order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ended: Vec<Ended>,
    /// The work on many jobs that the answer shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<OperationRecord>,
    /// Nobody sent it: it is what work on many jobs may have done to one of them.
    #[serde(skip)]
    pub implied: bool,
    /// Of a finish the rules see the parts: how many effects of it stand before this one in its place of the log.
    #[serde(skip)]
    pub place: usize,
}

impl Op {
    /// A request that goes out now; nothing is known of it yet.
    pub fn sent(client: u32, node: &str, invoke: u64, call: Call, key: Option<Box<str>>) -> Op {
        Op {
            client,
            node: node.into(),
            invoke,
            returned: invoke,
            call,
            key,
            left: false,
            outcome: Outcome::Info,
            status: None,
            index: None,
            replayed: false,
            jobs: Vec::new(),
            ended: Vec::new(),
            operation: None,
            implied: false,
            place: 0,
        }
    }

    /// True where the answer says that this job retries the one that it is about.
    pub(crate) fn names_retry(&self, id: &str) -> bool {
        let jobs = self.jobs.iter().map(|job| &job.retry_id);
        let ended = self.ended.iter().map(|ended| &ended.retry_id);
        jobs.chain(ended).any(|retry| retry.as_deref() == Some(id))
    }
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

/// Harm to the cluster. Whatever a rule wants a node to do at once, it grants the time of those that the node suffers from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What was done.
    pub name: Box<str>,
    /// To which nodes; to none, where it is only about what runs beside them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<Box<str>>,
    /// True where all nodes suffer from it: it takes the leader, or a majority.
    #[serde(default, skip_serializing_if = "is_false")]
    pub leaderless: bool,
    /// Just before it began, on the harness's clock.
    pub from: u64,
    /// When every node was seen to be well again.
    pub until: u64,
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
    /// When it began, on the harness's clock; without it nothing is said of what it shows too early.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<u64>,
    /// The number of jobs in every status.
    pub jobs: usize,
}

/// How many jobs the queues of a node have, in two ways at one applied index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Which node.
    pub node: Box<str>,
    /// What it had applied, before it was asked and after.
    pub index: u64,
    /// What each of its queues says.
    pub queues: BTreeMap<Box<str>, Tally>,
    /// What a list of all its jobs had of each queue.
    pub listed: BTreeMap<Box<str>, Tally>,
}

/// How many jobs a queue has, by status, and of the queued by `priority-0` to `priority-2`; what is not there is 0.
pub type Tally = BTreeMap<Box<str>, u64>;

/// The end of the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// How many `op` lines there are.
    pub ops: usize,
}

fn is_false(flag: &bool) -> bool {
    !flag
}
fn default_skew() -> u64 {
    1_000
}
fn default_late() -> u64 {
    10_000
}
fn default_prompt() -> u64 {
    5_000
}
fn default_write() -> u64 {
    quorate_core::limits::REQUEST_MILLIS
}
fn default_retention() -> u64 {
    quorate_core::limits::RETENTION_SECONDS_DEFAULT
}
