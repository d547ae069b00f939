use crate::{ImageId, Job, Priority, QueueId, Timestamp};

/// Where a queued job waits: with those of its queue, priority, key and image, first in first out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lane {
    /// Of this queue.
    pub queue: QueueId,
    /// Of this priority.
    pub priority: Priority,
    /// Of this image.
    pub image: ImageId,
    /// Of this key; empty for jobs without one.
    pub key: Box<str>,
}

impl Lane {
    /// The lane in which a job waits while it is queued.
    pub fn of(job: &Job) -> Lane {
        Lane { queue: job.queue, priority: job.priority, image: job.image_id, key: job.key.clone() }
    }
}

/// What is known of a lane that is not empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneMark {
    /// The place of its first job.
    pub first: u64,
    /// Since when that job is queued.
    pub since: Timestamp,
    /// How many jobs wait in it.
    pub jobs: u64,
    /// When it had its last turn, in the order of places; 0 where it had none while others waited for theirs.
    pub served: u64,
}
