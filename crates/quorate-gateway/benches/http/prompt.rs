use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use quorate_core::{
    Answered, Command, Image, ImageId, Job, JobId, JobsPage, JobsQuery, NewJob, Operation, OperationId,
    Payload, Position, QueueId, QueueName, QueueView, Reply, RequestId, Settings, State, Take, Timestamp,
    Totals, Unavailable, WorkerView, limits,
};
use quorate_gateway::{
    Backend, Changed, Cluster, Look, NodeAdmin, NodeHealth, Order, OrderError, Reads, Wakeups,
};

/// A backend that says at once of every job that it is queued, and keeps nothing.
#[derive(Clone)]
pub(crate) struct Prompt;

fn queued(job: NewJob) -> Job {
    let now = Timestamp(1_700_000_000_000);
    Job {
        id: job.id,
        number: 1,
        queue: QueueId::DEFAULT,
        key: job.key,
        tags: [].into(),
        unique: None,
        priority: job.priority,
        image: job.image,
        image_id: job.image_id,
        payload: Payload { owner: job.id, bytes: u32::try_from(job.payload.len()).unwrap_or(u32::MAX) },
        delay: job.delay,
        timeout: job.timeout.unwrap_or(limits::TIMEOUT_SECONDS_DEFAULT),
        max_retries: job.max_retries.unwrap_or(limits::MAX_RETRIES_DEFAULT),
        all_retries: 0,
        attempt: 1,
        releases: 0,
        retries_delay: job.retries_delay.unwrap_or(limits::RETRIES_DELAY_SECONDS_DEFAULT),
        created_at: now,
        started_at: None,
        worker: "".into(),
        completed_at: None,
        keep_until: None,
        state: State::Queued { seq: 1, since: now },
        log_bytes: 0,
        log_parts: 0,
        progress: None,
        retry_of: None,
        retry_id: None,
    }
}

impl Backend for Prompt {
    type Reads = Prompt;
    type Wakeups = Prompt;
    type Health = Prompt;
    type Admin = Prompt;

    async fn submit(&self, command: Command, _: Duration) -> Result<Answered, Unavailable> {
        let Command::Enqueue { jobs, key: _ } = command else { return Err(Unavailable::Stopping) };
        let outcome =
            Ok(Reply::Enqueued { jobs: jobs.into_iter().map(queued).collect(), duplicates: Vec::new() });
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

    fn admin(&self) -> &Prompt {
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
        Ok(JobsPage::default())
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

    fn queue_name(&self, _: QueueId) -> QueueName {
        QueueName::DEFAULT
    }

    fn queue(&self, _: &QueueName) -> Option<QueueView> {
        None
    }

    fn queues(&self, _: Option<&QueueName>, _: usize) -> Vec<QueueView> {
        Vec::new()
    }

    fn worker(&self, _: &str) -> Option<WorkerView> {
        None
    }

    fn totals(&self, _: Timestamp) -> Totals {
        Totals::default()
    }

    fn workers(&self, _: Option<&str>, _: usize) -> Vec<WorkerView> {
        Vec::new()
    }

    fn operation(&self, _: OperationId) -> Option<Arc<Operation>> {
        None
    }

    fn operations(&self) -> Vec<Arc<Operation>> {
        Vec::new()
    }

    fn backup(&self) -> BoxStream<'static, Result<Bytes, Unavailable>> {
        futures::stream::empty().boxed()
    }

    fn now(&self) -> Timestamp {
        Timestamp(1_700_000_000_000)
    }

    async fn knows_key(&self, _: &str) -> Result<bool, Unavailable> {
        Ok(false)
    }
}

impl Wakeups for Prompt {
    type Turn = ();

    fn look(&self, _: &Take) -> Look {
        Look { found: false, applied: 1 }
    }

    async fn queued_turn(&self, _: &Take) {
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

    async fn unready(&self) -> Option<String> {
        None
    }

    fn is_draining(&self) -> bool {
        false
    }

    async fn drains(&self) {
        pending().await
    }

    async fn metrics(&self) -> String {
        String::new()
    }

    async fn cluster(&self) -> Cluster {
        pending().await
    }
}

impl NodeAdmin for Prompt {
    async fn order(&self, _: Order, _: Option<u64>, _: Duration) -> Result<Changed, OrderError> {
        pending().await
    }
}
