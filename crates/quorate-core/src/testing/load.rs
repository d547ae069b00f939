use bytes::Bytes;

use super::Rng;
use crate::{
    Batch, Command, Envelope, ImageId, JobId, NewJob, Priority, QueueName, RequestId, Take, Timestamp,
    id::mix,
};

/// A steady load, for measurements: jobs are enqueued, granted and ended well, in one order, and nothing is refused.
///
/// ```
/// use quorate_core::{apply, model::Model, testing::{Load, Step}};
///
/// let Ok(applied) = apply(&mut Model::new(), 1, &Load::new(256).batch(&Step::CYCLE));
/// assert!(applied.answers.iter().all(|answer| answer.outcome.is_ok()));
/// ```
#[derive(Clone, Debug)]
pub struct Load {
    payload: usize,
    images: u64,
    key: &'static str,
    enqueued: u64,
    succeeded: u64,
    clock: Timestamp,
    request_ids: Rng,
}

/// What happens to a job of a [`Load`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The next job comes.
    Enqueue,
    /// The job that has waited longest is granted.
    Consume,
    /// Of the jobs that were granted, the first one ends.
    Succeed,
}

impl Step {
    /// The life of a job.
    pub const CYCLE: [Step; 3] = [Step::Enqueue, Step::Consume, Step::Succeed];
}

impl Load {
    /// Of jobs with so many bytes of payload, at least 20.
    pub fn new(payload: usize) -> Load {
        let clock = Timestamp(1_700_000_000_000);
        Load { payload, images: 1, key: "", enqueued: 0, succeeded: 0, clock, request_ids: Rng::new(0) }
    }

    /// The same of jobs of so many images, one after the other.
    pub fn of_images(self, images: u64) -> Load {
        Load { images, ..self }
    }

    /// The same of jobs with this key.
    pub fn of_key(self, key: &'static str) -> Load {
        Load { key, ..self }
    }

    /// These steps as a log entry, a millisecond after the last one.
    pub fn batch(&mut self, steps: &[Step]) -> Batch {
        self.clock = self.clock.plus_millis(1);
        Batch { stamp: self.clock, envelopes: steps.iter().map(|step| self.envelope(*step)).collect() }
    }

    fn envelope(&mut self, step: Step) -> Envelope {
        let request_id = RequestId(self.request_ids.bytes16());
        Envelope { request_id, deadline: self.clock.plus_millis(2_000), command: self.command(step) }
    }

    fn command(&mut self, step: Step) -> Command {
        match step {
            Step::Enqueue => {
                self.enqueued += 1;
                Command::Enqueue { jobs: vec![self.job(self.enqueued)], key: None }
            }
            Step::Consume => Command::Consume { take: Take::default_queue(1), key: None },
            Step::Succeed => {
                self.succeeded += 1;
                Command::Succeed {
                    id: id(self.succeeded),
                    log: Bytes::from_static(b"done, in a log of some length"),
                }
            }
        }
    }

    fn job(&self, n: u64) -> NewJob {
        NewJob {
            id: id(n),
            queue: QueueName::DEFAULT,
            priority: Priority::default(),
            key: self.key.into(),
            tags: [].into(),
            unique: None,
            image: format!("registry.example/team/image:{}", n % self.images).into(),
            image_id: ImageId(u128::from(n % self.images).to_be_bytes()),
            payload: Bytes::from(format!("{n:0bytes$}", bytes = self.payload)),
            delay: 0,
            timeout: Some(3_600),
            max_retries: Some(3),
            retries_delay: Some(10),
        }
    }
}

/// The id of the nth job: they come 32 a millisecond.
fn id(n: u64) -> JobId {
    JobId::v7(Timestamp(1_700_000_000_000 + n / 32), mix(n), mix(!n), 0)
}
