use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures::future::try_join_all;
use hdrhistogram::Histogram;
use quorate_client::ClientConfig;

use super::BenchArgs;
use super::connection::{Connection, Node};
use super::cpu::{Cpu, Processes};
use super::profile::{Ends, Profile, Worker};
use super::requests::{Requests, Spread};
use crate::target::keep_fresh;

/// What one round took.
pub(super) struct Round {
    pub(super) elapsed: Duration,
    /// Steps that were done, and the jobs that went through them.
    pub(super) steps: u64,
    pub(super) jobs: u64,
    pub(super) cpu: Cpu,
    /// Of each of the profile's operations, in order.
    pub(super) operations: Vec<Latencies>,
    /// Of whole steps.
    pub(super) step: Latencies,
}

/// Latencies in microseconds.
pub(super) type Latencies = Histogram<u64>;

/// A minute, in microseconds: longer is recorded as that.
const LONGEST: u64 = 60_000_000;
/// Jobs of an enqueue that fills the queue, in bytes of their payloads and in number.
const FILL: (usize, usize) = (1 << 20, 500);

/// The clients, connected.
pub(super) struct Load {
    profile: Profile,
    rate: Option<f64>,
    payload: usize,
    /// Over what its jobs are spread.
    pub(super) spread: Spread,
    workers: Vec<Worker>,
}

impl Load {
    /// Connects all clients.
    ///
    /// # Errors
    /// A node does not answer.
    pub(super) async fn connect(args: &BenchArgs, nodes: &[String]) -> anyhow::Result<Load> {
        let spread = Spread { queues: args.queues, keys: args.keys, prefix: "bench" };
        let requests = Requests::new(args.profile.batch(args.batch), args.payload, spread)?;
        let config = ClientConfig { token: args.token.read()?, ..args.tls.config(nodes)? };
        keep_fresh(&config);
        let nodes = Node::all(&config)?;
        // No other run has had it, in whatever container.
        let run = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos();
        let connect = nodes.iter().cycle().take(args.clients).enumerate().map(async |(number, node)| {
            let connection = Connection::open(node, config.token.clone()).await?;
            let keys = args.idempotency_keys.then(|| (format!("bench-{run:x}-{number}"), 0));
            anyhow::Ok(Worker {
                connection,
                requests: requests.clone(),
                turn: number,
                keys,
                held: Vec::new(),
            })
        });
        let workers = try_join_all(connect).await?;
        Ok(Load { profile: args.profile, rate: args.rate, payload: args.payload, spread, workers })
    }

    /// Does what clients do before their first step.
    ///
    /// # Errors
    /// A request failed.
    pub(super) async fn prepare(&mut self) -> anyhow::Result<()> {
        let profile = self.profile;
        try_join_all(self.workers.iter_mut().map(|worker| profile.prepare(worker))).await?;
        Ok(())
    }

    /// Queues so many jobs, spread so.
    ///
    /// # Errors
    /// A request failed.
    pub(super) async fn fill(&mut self, spread: Spread, jobs: u64, done: impl Fn(u64)) -> anyhow::Result<()> {
        let batch = (FILL.0 / self.payload.max(1)).clamp(1, FILL.1);
        let full = Requests::new(batch, self.payload, spread)?;
        let left = Cell::new(jobs);
        try_join_all(self.workers.iter_mut().map(async |worker| {
            let own = worker.requests.clone();
            while left.get() > 0 {
                let next = usize::try_from(left.get()).unwrap_or(batch).min(batch);
                left.set(left.get() - next as u64);
                worker.requests = match next == batch {
                    true => full.clone(),
                    false => Requests::new(next, self.payload, spread)?,
                };
                worker.enqueue(&mut Ends::new()).await?;
                done(next as u64);
            }
            worker.requests = own;
            anyhow::Ok(())
        }))
        .await?;
        Ok(())
    }

    /// Lets all clients work for `length`.
    ///
    /// # Errors
    /// A request failed: a measurement with errors is none.
    pub(super) async fn round(&mut self, length: Duration, processes: &Processes) -> anyhow::Result<Round> {
        let profile = self.profile;
        let empty = || Latencies::new_with_max(LONGEST, 3).expect("these bounds are valid");
        let operations = profile.operations().iter().map(|_| empty()).collect();
        let round = Round {
            elapsed: Duration::ZERO,
            steps: 0,
            jobs: 0,
            cpu: Cpu::default(),
            operations,
            step: empty(),
        };
        let round = RefCell::new(round);
        let (begin, before) = (Instant::now(), processes.cpu());
        let schedule = Schedule { begin, length, rate: self.rate, clients: self.workers.len() };
        try_join_all(self.workers.iter_mut().enumerate().map(async |(number, worker)| {
            let mut turn = 0;
            while let Some(start) = schedule.next(number, turn).await {
                turn += 1;
                let (ends, jobs) = profile.step(worker).await?;
                round.borrow_mut().record(start, &ends, jobs);
            }
            anyhow::Ok(())
        }))
        .await?;
        let mut round = round.into_inner();
        (round.elapsed, round.cpu) = (begin.elapsed(), processes.cpu().since(before));
        Ok(round)
    }
}

impl Round {
    fn record(&mut self, start: Instant, ends: &Ends, jobs: usize) {
        self.steps += 1;
        self.jobs += jobs as u64;
        let mut last = start;
        for (latencies, end) in self.operations.iter_mut().zip(ends) {
            record(latencies, *end - last);
            last = *end;
        }
        record(&mut self.step, last - start);
    }
}

fn record(latencies: &mut Latencies, latency: Duration) {
    latencies.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX).min(LONGEST));
}

/// When each client begins its steps.
struct Schedule {
    begin: Instant,
    length: Duration,
    /// Of all clients together; `None`: each begins when it can.
    rate: Option<f64>,
    clients: usize,
}

impl Schedule {
    /// Waits for a client's turn. Answers when it began, or should have begun where the step before took too long: what such
    /// steps make the next ones wait is theirs, too (coordinated omission, as wrk2 has it). `None` when the round is over.
    async fn next(&self, client: usize, turn: u64) -> Option<Instant> {
        let now = Instant::now();
        let end = self.begin + self.length;
        let Some(rate) = self.rate else { return (now < end).then_some(now) };
        let nth = turn as f64 * self.clients as f64 + client as f64;
        let due = self.begin + Duration::from_secs_f64(nth / rate);
        if due >= end {
            return None;
        }
        if due <= now && turn > 0 {
            return Some(due);
        }
        tokio::time::sleep_until(due.into()).await;
        // The timer's own lateness, a millisecond, is nobody's latency.
        Some(Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(ago: Duration) -> Schedule {
        Schedule {
            begin: Instant::now() - ago,
            length: Duration::from_secs(3_600),
            rate: Some(10.0),
            clients: 2,
        }
    }

    #[tokio::test]
    async fn a_step_that_comes_late_counts_from_when_it_should_have_begun() {
        let late = schedule(Duration::from_secs(60));
        // The second client's third: 5 of 10 a second.
        assert_eq!(late.next(1, 2).await, Some(late.begin + Duration::from_millis(500)));
    }

    #[tokio::test]
    async fn a_step_that_is_not_due_waits() {
        let schedule = schedule(Duration::ZERO);
        let start = schedule.next(0, 1).await;
        assert!(start >= Some(schedule.begin + Duration::from_millis(200)));
    }

    #[tokio::test]
    async fn a_round_ends() {
        let over = Schedule { length: Duration::from_secs(1), ..schedule(Duration::from_secs(2)) };
        assert_eq!(over.next(0, 5).await, None);
        assert_eq!(Schedule { rate: None, ..over }.next(0, 0).await, None);
    }
}
