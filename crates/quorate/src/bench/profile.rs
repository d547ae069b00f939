use std::time::Instant;

use anyhow::{Context, ensure};
use bytes::Bytes;
use clap::ValueEnum;
use quorate_client::api::{NewJob, NewJobsWrapper};
use serde::{Deserialize, Serialize};

use super::connection::{Connection, Path};

/// What a client does, over and over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Profile {
    /// Enqueues a job, takes one, finishes it.
    Cycle,
    /// Enqueues a job.
    Enqueue,
    /// Enqueues --batch jobs in one request.
    Batch,
    /// Takes a job and finishes it; wants a --depth to take from.
    Consume,
}

/// The requests of a profile, made once.
#[derive(Clone)]
pub(super) struct Requests {
    enqueue: Path,
    consume: Path,
    jobs: Bytes,
}

impl Requests {
    /// With `batch` jobs an enqueue, of `payload` bytes each.
    pub(super) fn new(batch: usize, payload: usize) -> anyhow::Result<Requests> {
        let job =
            NewJob { image: "bench".to_owned(), payload: Some("x".repeat(payload)), ..NewJob::default() };
        Ok(Requests {
            enqueue: Path::new("/v1/jobs")?,
            // A job that another client has just enqueued may be seen here a moment later.
            consume: Path::new("/v1/jobs/consume?n=1&wait=10")?,
            jobs: serde_json::to_vec(&NewJobsWrapper { jobs: vec![job; batch] })?.into(),
        })
    }
}

/// One client: a connection, and the keys of its requests if it draws any.
pub(super) struct Worker {
    pub(super) connection: Connection,
    pub(super) requests: Requests,
    /// What they begin with, and how many were drawn.
    pub(super) keys: Option<(String, u64)>,
}

/// When each part of a step ended, in the order of [`Profile::operations`].
pub(super) type Ends = Vec<Instant>;

#[derive(Deserialize)]
struct Taken<'a> {
    #[serde(borrow)]
    jobs: Vec<TakenJob<'a>>,
}

#[derive(Deserialize)]
struct TakenJob<'a> {
    id: &'a str,
}

impl Profile {
    /// Its parts, in order. Of several, the whole is reported too.
    pub(super) fn operations(self) -> &'static [&'static str] {
        match self {
            Profile::Cycle => &["enqueue", "consume", "success"],
            Profile::Enqueue | Profile::Batch => &["enqueue"],
            Profile::Consume => &["consume", "success"],
        }
    }

    /// How many jobs a step is about.
    pub(super) fn jobs(self, batch: usize) -> usize {
        match self {
            Profile::Batch => batch,
            Profile::Cycle | Profile::Enqueue | Profile::Consume => 1,
        }
    }

    /// Does it once.
    ///
    /// # Errors
    /// A request failed, or there was no job to take.
    pub(super) async fn step(self, worker: &mut Worker) -> anyhow::Result<Ends> {
        let mut ends = Ends::with_capacity(3);
        match self {
            Profile::Enqueue | Profile::Batch => worker.enqueue(&mut ends).await?,
            Profile::Consume => worker.consume_and_finish(&mut ends).await?,
            Profile::Cycle => {
                worker.enqueue(&mut ends).await?;
                worker.consume_and_finish(&mut ends).await?;
            }
        }
        Ok(ends)
    }
}

impl Worker {
    pub(super) async fn enqueue(&mut self, ends: &mut Ends) -> anyhow::Result<()> {
        let key = self.key();
        let Requests { enqueue, jobs, .. } = &self.requests;
        self.connection.post(enqueue, key.as_deref(), jobs).await.context("enqueue")?;
        ends.push(Instant::now());
        Ok(())
    }

    async fn consume_and_finish(&mut self, ends: &mut Ends) -> anyhow::Result<()> {
        let key = self.key();
        let answer = self.connection.get(&self.requests.consume, key.as_deref()).await.context("consume")?;
        ends.push(Instant::now());
        let taken: Taken<'_> = serde_json::from_slice(&answer).context("consume")?;
        ensure!(taken.jobs.len() == 1, "consume: no job within 10 s; --depth queues some first");
        for job in taken.jobs {
            let success = Path::new(&format!("/v1/job/{}/success", job.id))?;
            self.connection.post(&success, None, &Bytes::new()).await.context("success")?;
        }
        ends.push(Instant::now());
        Ok(())
    }

    fn key(&mut self) -> Option<String> {
        let (name, drawn) = self.keys.as_mut()?;
        *drawn += 1;
        Some(format!("{name}-{drawn}"))
    }
}
