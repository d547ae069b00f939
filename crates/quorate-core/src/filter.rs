use crate::{ImageId, Job, QueueId, Reason, State, Status, Timestamp, are_tags, limits};

/// Which jobs: those that a list shows, or that work in bulk is for. What it does not name, it does not ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// In one of these statuses; empty: in any.
    pub statuses: Vec<Status>,
    /// Ended in error and dead ([`Job::is_dead`]), or not dead.
    pub dead: Option<bool>,
    /// Ended in error, for this reason.
    pub reason: Option<Reason>,
    /// Of this image.
    pub image: Option<ImageId>,
    /// Of this queue.
    pub queue: Option<QueueId>,
    /// Of this key.
    pub key: Option<Box<str>>,
    /// With all these tags.
    pub tags: Vec<Box<str>>,
    /// When they were enqueued.
    pub created: Period,
    /// When they finished; those that have not are not meant.
    pub finished: Period,
}

impl Filter {
    /// True for a job that is meant.
    pub fn fits(&self, job: &Job) -> bool {
        (self.statuses.is_empty() || self.statuses.contains(&job.status()))
            && self.dead.is_none_or(|dead| job.status() == Status::Error && job.is_dead() == dead)
            && self
                .reason
                .is_none_or(|asked| matches!(job.state, State::Error { reason, .. } if reason == asked))
            && self.image.is_none_or(|image| job.image_id == image)
            && self.queue.is_none_or(|queue| job.queue == queue)
            && self.key.as_ref().is_none_or(|key| job.key == *key)
            && self.tags.iter().all(|tag| job.tags.contains(tag))
            && self.created.contains(Some(job.created_at))
            && self.finished.contains(job.completed_at)
    }

    /// False where it names what no job can have.
    pub fn is_within_limits(&self) -> bool {
        self.statuses.len() <= Status::ALL.len()
            && self.key.as_ref().is_none_or(|key| key.len() <= limits::JOB_KEY_BYTES)
            && are_tags(&self.tags)
    }
}

/// A part of log time: from, up to and without; open where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Period {
    /// The first moment of it.
    pub from: Option<Timestamp>,
    /// The first moment behind it.
    pub until: Option<Timestamp>,
}

impl Period {
    /// True for a moment within it, and for none where it is open at both ends.
    pub fn contains(&self, moment: Option<Timestamp>) -> bool {
        let Some(moment) = moment else { return *self == Period::default() };
        self.from.is_none_or(|from| from <= moment) && self.until.is_none_or(|until| moment < until)
    }
}
