use crate::{Filter, Job, Status};

/// Which page of a list of jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobsQuery {
    /// At most so many, 1 to 1,000.
    pub n: usize,
    /// Only those with a lower [`Job::number`]: where the last page ended.
    pub before: Option<u64>,
    /// Only these; without a status the active ones.
    pub filter: Filter,
}

impl JobsQuery {
    /// The statuses that it asks for.
    pub fn statuses(&self) -> &[Status] {
        match &self.filter.statuses[..] {
            [] => &[Status::Delayed, Status::Queued, Status::Running],
            statuses => statuses,
        }
    }

    /// True for a job that belongs into the list.
    pub fn fits(&self, job: &Job) -> bool {
        self.before.is_none_or(|before| job.number < before)
            && self.statuses().contains(&job.status())
            && self.filter.fits(job)
    }
}

/// A page of jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobsPage {
    /// Newest first, by [`Job::number`]; may be fewer than asked for, even none, while `next` says that there may be more.
    pub jobs: Vec<Job>,
    /// Where the next page goes on, for [`JobsQuery::before`]; `None` at the end.
    pub next: Option<u64>,
}
