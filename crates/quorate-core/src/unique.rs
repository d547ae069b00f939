use crate::{Job, Status, Timestamp};

/// What a job is the only one of, in its queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unique {
    /// No other job of this key is added while this one holds it.
    pub key: Box<str>,
    /// How long that is.
    pub until: Until,
}

/// How long a job keeps others of its key away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Until a consumer has it, or it was called off.
    Started,
    /// Until it has finished, and what retries it automatically.
    Finished,
    /// For so many seconds since it was added, whatever becomes of it; not longer than it is kept.
    Elapsed(u32),
}

/// True while a job keeps others of its key away.
pub(crate) fn holds(job: &Job, now: Timestamp) -> bool {
    match job.unique.as_ref().map(|unique| unique.until) {
        Some(Until::Started) => matches!(job.status(), Status::Delayed | Status::Queued),
        Some(Until::Finished) => !job.status().is_final(),
        Some(Until::Elapsed(seconds)) => now < job.created_at.plus_seconds(seconds),
        None => false,
    }
}
