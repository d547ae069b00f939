use crate::{Job, JobId, Status};

/// Which jobs to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobsQuery {
    /// At most so many, 1 to 1,000.
    pub n: usize,
    /// Only those older than this one: where the last page ended.
    pub before: Option<JobId>,
    /// Only those in this status; without it the active ones.
    pub status: Option<Status>,
    /// Only those of this image.
    pub image: Option<Box<str>>,
}

/// A page of jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobsPage {
    /// Newest first; may be fewer than asked for, even none, while `next` says that there may be more.
    pub jobs: Vec<Job>,
    /// Where the next page goes on; `None` at the end.
    pub next: Option<JobId>,
}
