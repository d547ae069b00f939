use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bytes::Bytes;
use hdrhistogram::Histogram;
use quorate_client::api::NewJob;
use quorate_client::{Client, ClientConfig, Consume};
use tokio::task::JoinSet;

use super::{BenchArgs, Mode};

/// What one round took.
pub(super) struct Round {
    pub(super) elapsed: Duration,
    pub(super) enqueue: Latencies,
    pub(super) consume: Latencies,
    pub(super) finish: Latencies,
    pub(super) cycle: Latencies,
}

/// Latencies in microseconds.
pub(super) type Latencies = Histogram<u64>;

/// A minute, in microseconds: longer is recorded as that.
const LONGEST: u64 = 60_000_000;

impl Round {
    fn new() -> Round {
        let empty = || Histogram::new_with_max(LONGEST, 3).expect("these bounds are valid");
        Round { elapsed: Duration::ZERO, enqueue: empty(), consume: empty(), finish: empty(), cycle: empty() }
    }

    fn add(&mut self, other: &Round) {
        for (sum, part) in [
            (&mut self.enqueue, &other.enqueue),
            (&mut self.consume, &other.consume),
            (&mut self.finish, &other.finish),
            (&mut self.cycle, &other.cycle),
        ] {
            sum.add(part).expect("their bounds are equal");
        }
    }
}

/// Lets all clients work for `length`.
///
/// # Errors
/// A request failed: a measurement with errors is none.
pub(super) async fn round(args: &BenchArgs, nodes: &[String], length: Duration) -> anyhow::Result<Round> {
    let start = Instant::now();
    let deadline = start + length;
    let mut clients = JoinSet::new();
    let jobs: Arc<[NewJob]> = vec![job(args.payload); args.batch].into();
    for node in nodes.iter().cycle().take(args.clients) {
        let client = Client::new(ClientConfig { draw_keys: args.keys, ..ClientConfig::new([node]) })?;
        let (mode, jobs) = (args.mode, jobs.clone());
        clients.spawn(async move {
            match mode {
                Mode::Cycle => cycles(&client, &jobs, deadline).await,
                Mode::Enqueue => enqueues(&client, &jobs, deadline).await,
            }
        });
    }
    let mut round = Round::new();
    while let Some(done) = clients.join_next().await {
        round.add(&done.context("a client ended by a panic")??);
    }
    round.elapsed = start.elapsed();
    Ok(round)
}

async fn cycles(client: &Client, jobs: &[NewJob], deadline: Instant) -> anyhow::Result<Round> {
    let mut round = Round::new();
    while Instant::now() < deadline {
        let start = Instant::now();
        client.enqueue(jobs, None).await.context("enqueue")?;
        let enqueued = Instant::now();
        let consume = Consume { n: 1, wait: 10, key: None };
        let taken = client.consume(&consume).await.context("consume")?.answer;
        let consumed = Instant::now();
        ensure!(taken.len() == 1, "consume: no job within 10 s, although every client enqueued one before");
        for job in taken {
            client.success(&job.id, Bytes::new()).await.context("success")?;
        }
        let finished = Instant::now();
        record(&mut round.enqueue, enqueued - start);
        record(&mut round.consume, consumed - enqueued);
        record(&mut round.finish, finished - consumed);
        record(&mut round.cycle, finished - start);
    }
    Ok(round)
}

async fn enqueues(client: &Client, jobs: &[NewJob], deadline: Instant) -> anyhow::Result<Round> {
    let mut round = Round::new();
    while Instant::now() < deadline {
        let start = Instant::now();
        client.enqueue(jobs, None).await.context("enqueue")?;
        record(&mut round.enqueue, start.elapsed());
    }
    Ok(round)
}

fn record(latencies: &mut Latencies, latency: Duration) {
    latencies.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX).min(LONGEST));
}

fn job(payload: usize) -> NewJob {
    NewJob { image: "bench".to_owned(), payload: Some("x".repeat(payload)), ..NewJob::default() }
}
