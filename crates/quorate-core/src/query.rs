use crate::{ImageId, Job, QueueId, Status};

/// Which jobs to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobsQuery {
    /// At most so many, 1 to 1,000.
    pub n: usize,
    /// Only those with a lower [`Job::number`]: where the last page ended.
    pub before: Option<u64>,
    /// Only those in this status; without it the active ones.
    pub status: Option<Status>,
    /// Only those of this image.
    pub image: Option<ImageId>,
    /// Only those of this queue.
    pub queue: Option<QueueId>,
}

impl JobsQuery {
    /// The statuses that it asks for.
    pub fn statuses(&self) -> &[Status] {
        match &self.status {
            Some(status) => std::slice::from_ref(status),
            None => &[Status::Delayed, Status::Queued, Status::Running],
        }
    }

    /// True for a job that belongs into the list.
    pub fn fits(&self, job: &Job) -> bool {
        self.before.is_none_or(|before| job.number < before)
            && self.statuses().contains(&job.status())
            && self.image.is_none_or(|image| job.image_id == image)
            && self.queue.is_none_or(|queue| job.queue == queue)
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
