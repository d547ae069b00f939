use crate::{Filter, Job};

/// Which page of a list of jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobsQuery {
    /// At most so many, 1 to 1,000.
    pub n: usize,
    /// Which come first.
    pub order: Order,
    /// Only those behind the job with this [`Job::number`]: where the last page ended.
    pub behind: Option<u64>,
    /// Only these.
    pub filter: Filter,
}

/// Which jobs of a list come first, by [`Job::number`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The newest.
    #[default]
    NewestFirst,
    /// The oldest.
    OldestFirst,
}

impl Order {
    /// What is less of two numbers' places comes first.
    pub fn place(self, number: u64) -> u64 {
        match self {
            Order::NewestFirst => !number,
            Order::OldestFirst => number,
        }
    }
}

impl JobsQuery {
    /// True for a job that belongs into the list.
    pub fn fits(&self, job: &Job) -> bool {
        self.behind.is_none_or(|behind| self.order.place(behind) < self.order.place(job.number))
            && self.filter.fits(job)
    }
}

/// A page of jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobsPage {
    /// In the order that was asked for; may be fewer than asked for, even none, while `next` says that there may be more.
    pub jobs: Vec<Job>,
    /// Where the next page goes on, for [`JobsQuery::behind`]; `None` at the end.
    pub next: Option<u64>,
    /// Rows that were looked at for it; a record that was read at a place of its own counts for as many as take as long.
    pub looked: usize,
}
