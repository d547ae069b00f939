use bytes::Bytes;
use quorate_api::{Reason, Status};

/// Which jobs to take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consume {
    /// At most so many, 1 to 1,000.
    pub n: u32,
    /// Seconds that the cluster may hold the request until a job is there, 0 to 60.
    pub wait: u32,
    /// The `Idempotency-Key`; the same key again answers those of its jobs that are still running.
    pub key: Option<String>,
}

impl Default for Consume {
    /// One job, if there is one now.
    fn default() -> Consume {
        Consume { n: 1, wait: 0, key: None }
    }
}

/// Which jobs to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListJobs {
    /// At most so many, 1 to 1,000; 10 if not given.
    pub n: Option<u32>,
    /// Where the page before this one ended.
    pub cursor: Option<String>,
    /// Only these; the active ones (delayed, queued, running) if not given.
    pub status: Option<Status>,
    /// Only jobs of this image.
    pub image: Option<String>,
}

/// Which images to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListImages {
    /// At most so many, 1 to 1,000.
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
