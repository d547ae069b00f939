use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use futures::future::try_join_all;
use hdrhistogram::Histogram;

use crate::cpu::Cpu;
use crate::system::Client;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// One client enqueues jobs, one after the other.
    One,
    /// All clients take a job each and finish it, from a queue that was filled before.
    Consume,
    /// All clients enqueue.
    Enqueue,
}

/// A minute, in microseconds: longer is recorded as that.
const LONGEST: u64 = 60_000_000;
/// No answer for so long is none.
const PATIENCE: Duration = Duration::from_secs(60);

impl Work {
    /// In the order in which they are done: what is consumed is queued just before it.
    pub(crate) const ALL: [Work; 3] = [Work::One, Work::Consume, Work::Enqueue];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Work::One => "enqueue in sequence",
            Work::Consume => "consume",
            Work::Enqueue => "enqueue",
        }
    }
}

/// What was measured of one work.
pub(crate) struct Round {
    pub(crate) work: Work,
    elapsed: Duration,
    /// In microseconds.
    latencies: Histogram<u64>,
    cpu: Cpu,
    ran_dry: bool,
}

impl Round {
    /// Jobs per second.
    pub(crate) fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64()
    }

    /// In milliseconds; `at` is 0.5 for the median.
    pub(crate) fn quantile(&self, at: f64) -> f64 {
        self.latencies.value_at_quantile(at) as f64 / 1_000.0
    }

    /// Processor time for a job, in microseconds: by the servers, by the clients.
    pub(crate) fn cpu(&self) -> (f64, f64) {
        let each = |time: Duration| time.as_secs_f64() * 1e6 / self.latencies.len().max(1) as f64;
        (each(self.cpu.servers), each(self.cpu.clients))
    }

    /// For who waits.
    pub(crate) fn line(&self) -> String {
        let (name, rate) = (self.work.name(), self.rate());
        let dry = if self.ran_dry { ", until the queue was empty: raise --depth" } else { "" };
        format!(
            "{name}: {rate:.0}/s, p50 {:.2} ms, p99 {:.2} ms{dry}",
            self.quantile(0.5),
            self.quantile(0.99)
        )
    }
}

/// Queues so many jobs, by all clients together.
///
/// # Errors
/// A job is not acknowledged.
pub(crate) async fn fill<C: Client>(clients: &mut [C], jobs: usize) -> anyhow::Result<()> {
    let each = jobs.div_ceil(clients.len());
    try_join_all(clients.iter_mut().map(|client| client.fill(each))).await.context("fill")?;
    Ok(())
}

/// Lets clients work for `length`, or until there is nothing left to consume.
///
/// # Errors
/// A request failed: a measurement with errors is none.
pub(crate) async fn measure<C: Client>(
    work: Work,
    clients: &mut [C],
    length: Duration,
) -> anyhow::Result<Round> {
    let latencies = RefCell::new(Histogram::new_with_max(LONGEST, 3)?);
    let ran_dry = Cell::new(false);
    let (before, begin) = (Cpu::now()?, Instant::now());
    try_join_all(clients.iter_mut().map(async |client| {
        let mut start = Instant::now();
        while start - begin < length && !ran_dry.get() {
            let done = tokio::time::timeout(PATIENCE, step(work, client)).await.context("no answer")??;
            let end = Instant::now();
            if done {
                let latency = u64::try_from((end - start).as_micros()).unwrap_or(LONGEST);
                latencies.borrow_mut().saturating_record(latency);
            } else {
                ran_dry.set(true);
            }
            start = end;
        }
        anyhow::Ok(())
    }))
    .await?;
    let (elapsed, cpu) = (begin.elapsed(), Cpu::now()?.since(before));
    let latencies = latencies.into_inner();
    ensure!(!latencies.is_empty(), "there was nothing to do; raise --depth");
    Ok(Round { work, elapsed, latencies, cpu, ran_dry: ran_dry.get() })
}

/// `false`: there was no job to consume.
async fn step<C: Client>(work: Work, client: &mut C) -> anyhow::Result<bool> {
    match work {
        Work::One | Work::Enqueue => client.enqueue().await.map(|()| true),
        Work::Consume => client.consume().await,
    }
}
