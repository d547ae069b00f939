use std::time::Instant;

use anyhow::{Context, ensure};
use bytes::Bytes;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::connection::{Connection, Path};
use super::requests::Requests;

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
    /// Enqueues a job, and finishes one and takes the next in one request.
    Take,
    /// The same with --batch jobs in each request.
    Bulk,
}

/// One client: a connection, and the keys of its requests if it draws any.
pub(super) struct Worker {
    pub(super) connection: Connection,
    pub(super) requests: Requests,
    /// Which enqueue is next.
    pub(super) turn: usize,
    /// What they begin with, and how many were drawn.
    pub(super) keys: Option<(String, u64)>,
    /// The ids of jobs that it has taken and not finished.
    pub(super) held: Vec<String>,
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
            Profile::Take | Profile::Bulk => &["enqueue", "finish and take"],
        }
    }

    /// How many jobs a request is about.
    pub(super) fn batch(self, batch: usize) -> usize {
        match self {
            Profile::Batch | Profile::Bulk => batch,
            Profile::Cycle | Profile::Enqueue | Profile::Consume | Profile::Take => 1,
        }
    }

    /// Does what must be done before the first step.
    ///
    /// # Errors
    /// See [`Profile::step`].
    pub(super) async fn prepare(self, worker: &mut Worker) -> anyhow::Result<()> {
        match self {
            Profile::Take | Profile::Bulk => {
                worker.enqueue(&mut Ends::new()).await?;
                worker.consume().await
            }
            Profile::Cycle | Profile::Enqueue | Profile::Batch | Profile::Consume => Ok(()),
        }
    }

    /// Does it once; says when its parts ended, and with how many jobs it is through.
    ///
    /// # Errors
    /// A request failed, or there was no job to take.
    pub(super) async fn step(self, worker: &mut Worker) -> anyhow::Result<(Ends, usize)> {
        let mut ends = Ends::with_capacity(3);
        let jobs = match self {
            Profile::Enqueue | Profile::Batch => worker.enqueue(&mut ends).await?,
            Profile::Consume => worker.consume_and_finish(&mut ends).await?,
            Profile::Cycle => {
                worker.enqueue(&mut ends).await?;
                worker.consume_and_finish(&mut ends).await?
            }
            Profile::Take | Profile::Bulk => {
                worker.enqueue(&mut ends).await?;
                worker.finish_and_take(&mut ends).await?
            }
        };
        Ok((ends, jobs))
    }
}

impl Worker {
    pub(super) async fn enqueue(&mut self, ends: &mut Ends) -> anyhow::Result<usize> {
        let key = self.key();
        let jobs = self.requests.jobs(self.turn);
        self.turn += 1;
        self.connection.post(&self.requests.enqueue, key.as_deref(), jobs).await.context("enqueue")?;
        ends.push(Instant::now());
        Ok(self.requests.batch)
    }

    async fn consume(&mut self) -> anyhow::Result<()> {
        let key = self.key();
        let answer = self.connection.get(&self.requests.consume, key.as_deref()).await.context("consume")?;
        self.hold(&answer).context("consume")?;
        ensure!(!self.held.is_empty(), "consume: no job within 10 s; --depth queues some first");
        Ok(())
    }

    async fn consume_and_finish(&mut self, ends: &mut Ends) -> anyhow::Result<usize> {
        self.consume().await?;
        ends.push(Instant::now());
        let held = std::mem::take(&mut self.held);
        for id in &held {
            let success = Path::new(&format!("/v1/job/{id}/success"))?;
            self.connection.post(&success, None, &Bytes::new()).await.context("success")?;
        }
        ends.push(Instant::now());
        Ok(held.len())
    }

    async fn finish_and_take(&mut self, ends: &mut Ends) -> anyhow::Result<usize> {
        if self.held.is_empty() {
            self.consume().await?;
        }
        let (key, held) = (self.key(), std::mem::take(&mut self.held));
        let (take, queue) = (self.requests.batch, self.requests.from);
        let answer = if let [id] = held.as_slice() {
            let success = Path::new(&format!("/v1/job/{id}/success?take={take}&queue={queue}"))?;
            self.connection.post(&success, key.as_deref(), &Bytes::new()).await
        } else {
            let ending = |id: &String| format!(r#"{{"id":"{id}","status":"success"}}"#);
            let endings = held.iter().map(ending).collect::<Vec<_>>().join(",");
            let body = format!(r#"{{"take":{take},"queue":"{queue}","jobs":[{endings}]}}"#).into();
            self.connection.post(&self.requests.finish, key.as_deref(), &body).await
        };
        self.hold(&answer.context("finish")?).context("finish")?;
        ends.push(Instant::now());
        Ok(held.len())
    }

    /// Holds the jobs of an answer.
    fn hold(&mut self, answer: &[u8]) -> anyhow::Result<()> {
        let Taken { jobs } = serde_json::from_slice(answer)?;
        self.held = jobs.into_iter().map(|job| job.id.to_owned()).collect();
        Ok(())
    }

    fn key(&mut self) -> Option<String> {
        let (name, drawn) = self.keys.as_mut()?;
        *drawn += 1;
        Some(format!("{name}-{drawn}"))
    }
}
