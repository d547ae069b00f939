use bytes::Bytes;
use quorate_api::{JobFilter, Reason};

/// Which jobs to take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consume {
    /// At most so many, 1 to 1,000.
    pub n: u32,
    /// Seconds that the cluster may hold the request until a job is there, 0 to 60.
    pub wait: u32,
    /// The `Idempotency-Key`; the same key again answers those of its jobs that are still running.
    pub key: Option<String>,
    /// `a,b`: the first of these queues that has a job; `a:5,b:1`: drawn by weight; `*`: all. If not given, `default`.
    pub queue: Option<String>,
    /// Only jobs of these images, at most 64, without commas in their names; of any, where there are none.
    pub images: Vec<String>,
    /// Who takes them, 1 to 128 bytes: by that name they can be given back.
    pub worker: Option<String>,
}

impl Default for Consume {
    /// One job, if there is one now.
    fn default() -> Consume {
        Consume { n: 1, wait: 0, key: None, queue: None, images: Vec::new(), worker: None }
    }
}

/// Which jobs to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListJobs {
    /// At most so many, 1 to 1,000; 10 if not given.
    pub n: Option<u32>,
    /// Where the page before this one ended.
    pub cursor: Option<String>,
    /// The oldest first; else the newest.
    pub oldest_first: bool,
    /// Only these; of any status the active ones (delayed, queued, running), unless what is asked for belongs to others.
    pub filter: JobFilter,
}

/// Which images to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListImages {
    /// At most so many, 1 to 1,000.
    pub n: Option<u32>,
    /// Where the page before this one ended.
    pub cursor: Option<String>,
}

/// Which queues to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListQueues {
    /// At most so many, 1 to 1,000; 10 if not given.
    pub n: Option<u32>,
    /// Where the page before this one ended.
    pub cursor: Option<String>,
}

/// Which workers to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListWorkers {
    /// At most so many, 1 to 1,000; 10 if not given.
    pub n: Option<u32>,
    /// Where the page before this one ended.
    pub cursor: Option<String>,
}

/// How a job failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobFailure {
    /// One of `timeout`, `killed`, `bad_exit`.
    pub reason: Reason,
    /// Why, for people; at most 16 KiB.
    pub details: String,
    /// Its output, at most 1 MiB.
    pub log: Bytes,
}

/// What to ask a node about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Does its Raft core answer?
    Alive,
    /// Has it recovered, and does it reach a majority through the leader?
    Ready,
}
