use crate::{ImageId, QueueName, limits};

/// What a consumer wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Take {
    /// Where from.
    pub from: Source,
    /// Only jobs of these images; of any, where there are none.
    pub images: Vec<ImageId>,
    /// At most so many: 1 to [`crate::limits::JOBS_PER_REQUEST`].
    pub n: u32,
    /// Who takes them, where that is said; else empty.
    pub worker: Box<str>,
}

/// Which queues jobs are taken from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// From the first of these that has one.
    InOrder(Vec<QueueName>),
    /// From one of these that have one, drawn anew for each job, as often as its weight says.
    ByWeight(Vec<(QueueName, u32)>),
    /// From any, drawn anew for each job.
    All,
}

impl Take {
    /// Of the default queue.
    pub fn default_queue(n: u32) -> Take {
        Take { from: Source::InOrder(vec![QueueName::DEFAULT]), images: Vec::new(), n, worker: "".into() }
    }

    /// The name of the field that is outside of its limits.
    pub(crate) fn outside(&self) -> Option<&'static str> {
        if self.worker.len() > limits::WORKER_NAME_BYTES {
            return Some("worker");
        }
        let queues = match &self.from {
            Source::InOrder(names) => names.len(),
            Source::ByWeight(names) => {
                if !names.iter().all(|(_, weight)| (1..=limits::WEIGHT).contains(weight)) {
                    return Some("queue");
                }
                names.len()
            }
            Source::All => 1,
        };
        if !(1..=limits::QUEUES_PER_CONSUME).contains(&queues) {
            return Some("queue");
        }
        if self.images.len() > limits::IMAGES_PER_CONSUME
            || queues * self.images.len() > limits::LINES_PER_CONSUME
        {
            return Some("image");
        }
        None
    }
}
