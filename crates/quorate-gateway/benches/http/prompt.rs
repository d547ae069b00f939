use std::future::pending;
use std::time::Duration;

use bytes::Bytes;
use quorate_core::{
    Answered, Command, Image, ImageId, Job, JobId, JobsPage, JobsQuery, NewJob, Payload, Position, QueueId,
    Reply, RequestId, Settings, State, Timestamp, Unavailable,
};
use quorate_gateway::{Backend, Cluster, NodeHealth, Reads, Wakeups};

/// A backend that says at once of every job that it is queued, and keeps nothing.
#[derive(Clone)]
pub(crate) struct Prompt;

fn queued(job: NewJob) -> Job {
    Job {
        id: job.id,
        number: 1,
        queue: job.queue,
        priority: job.priority,
        image: job.image,
        image_id: job.image_id,
        payload: Payload { owner: job.id, bytes: u32::try_from(job.payload.len()).unwrap_or(u32::MAX) },
        delay: job.delay,
        timeout: job.timeout,
        max_retries: job.max_retries,
        retries_delay: job.retries_delay,
        created_at: Timestamp(1_700_000_000_000),
        started_at: None,
        completed_at: None,
        state: State::Queued { seq: 1 },
        log_bytes: 0,
        retry_of: None,
        retry_id: None,
    }
}

impl Backend for Prompt {
    type Reads = Prompt;
    type Wakeups = Prompt;
    type Health = Prompt;

    async fn submit(&self, command: Command, _: Duration) -> Result<Answered, Unavailable> {
        let Command::Enqueue { jobs, key: _ } = command else { return Err(Unavailable::Stopping) };
        let outcome = Ok(Reply::Jobs(jobs.into_iter().map(queued).collect()));
        let position = Position { index: 1, offset: 0 };
        Ok(Answered { request_id: RequestId([0; 16]), position, replayed: false, outcome })
    }

    async fn barrier(&self, _: Duration) -> Result<(), Unavailable> {
        Ok(())
    }

    fn reads(&self) -> &Prompt {
        self
    }

    fn wakeups(&self) -> &Prompt {
        self
    }

    fn health(&self) -> &Prompt {
        self
    }
}

impl Reads for Prompt {
    fn caught_up(&self) -> bool {
        true
    }

    fn applied_index(&self) -> u64 {
        1
    }

    async fn job(&self, _: JobId) -> Result<Option<Job>, Unavailable> {
        Ok(None)
    }

    async fn payloads(&self, jobs: &[Job]) -> Result<Vec<Option<Bytes>>, Unavailable> {
        Ok(vec![None; jobs.len()])
    }

    async fn log(&self, _: JobId) -> Result<Option<Bytes>, Unavailable> {
        Ok(None)
    }

    async fn jobs(&self, _: JobsQuery) -> Result<JobsPage, Unavailable> {
        Ok(JobsPage { jobs: Vec::new(), next: None })
    }

    async fn ids(&self, _: JobId, _: JobId, _: usize) -> Result<Vec<JobId>, Unavailable> {
        Ok(Vec::new())
    }

    async fn image(&self, _: ImageId) -> Result<Option<Image>, Unavailable> {
        Ok(None)
    }

    async fn images(&self, _: usize, _: Option<ImageId>) -> Result<Vec<Image>, Unavailable> {
        Ok(Vec::new())
    }

    fn settings(&self) -> Settings {
        Settings::default()
    }

    fn queued(&self, _: QueueId) -> u64 {
        0
    }

    async fn knows_key(&self, _: &str) -> Result<bool, Unavailable> {
        Ok(false)
    }
}

impl Wakeups for Prompt {
    type Turn = ();

    async fn queued_turn(&self, _: QueueId) {
        pending().await
    }

    async fn key_spent(&self, _: &str) -> Result<(), Unavailable> {
        pending().await
    }
}

impl NodeHealth for Prompt {
    async fn alive(&self) -> bool {
        true
    }

    async fn ready(&self) -> bool {
        true
    }

    async fn cluster(&self) -> Cluster {
        pending().await
    }
}
