use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use quorate_check::{Call, Op};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::time::{Instant, sleep};

use crate::clock::Clock;
use crate::draw::{new_job, success};
use crate::keys::{self, Who};
use crate::limits;
use crate::observe::Observer;
use crate::rest::Rest;
use crate::scan::counts;
use crate::shared::{Phase, Shared};

/// The first of so many rounds is one of each kind.
const KINDS: u32 = 2;
/// One of so many rounds is one in which keys are repeated.
const REPEATS_EVERY: u32 = 4;

/// Lets the clients work, and in between wait beside an empty queue, into which jobs come one by one; or repeat keys that
/// had their jobs, beside a queue that nobody empties. In the bustle of work, who was not woken soon gets another job,
/// and nobody would know.
pub(crate) struct Rounds {
    shared: Arc<Shared>,
    observer: Observer,
    rest: Rest,
    http: reqwest::Client,
    rng: StdRng,
    /// Its number among the clients.
    number: u32,
    clients: u32,
    sent: u32,
}

impl Rounds {
    pub(crate) fn new(shared: Arc<Shared>, clock: Clock, clients: u32, seed: u64) -> anyhow::Result<Rounds> {
        let rng = StdRng::seed_from_u64(seed.rotate_left(31));
        let (observer, rest) = (Observer::new(&shared.nodes)?, Rest::new(clock, &shared.nodes, Who::Client)?);
        let http = keys::http(&shared.nodes, Who::Reader).timeout(limits::COUNT).build()?;
        Ok(Rounds { shared, observer, rest, http, rng, number: clients + 1, clients, sent: 0 })
    }

    /// One round after the other, until there are to be no more, and each kind had its turn.
    ///
    /// # Errors
    /// An answer is not of this API, or the history cannot be written.
    pub(crate) async fn run(&mut self) -> anyhow::Result<()> {
        for round in 1.. {
            self.shared.enter(Phase::Work);
            let work = Duration::from_millis(self.rng.random_range(limits::WORK));
            self.until(work, async |_: &Rounds| false).await;
            if !self.shared.has_rounds() && round > KINDS {
                break;
            }
            self.shared.enter(Phase::Empty);
            self.until(limits::EMPTY, async |rounds: &Rounds| rounds.is_empty().await).await;
            if round % REPEATS_EVERY == KINDS {
                self.repeat(round).await?;
            } else {
                self.wait(round).await?;
            }
        }
        Ok(())
    }

    /// Jobs for those that wait, one or two at a time. In good health each is taken at once.
    async fn wait(&mut self, round: u32) -> anyhow::Result<()> {
        self.shared.enter(Phase::Gather(round));
        // Clients that are busy, or wait for a dead node, may miss a round.
        let most = self.clients * 3 / 4;
        let is_quiet = async |rounds: &Rounds| rounds.waiting() >= most && rounds.is_empty().await;
        self.until(limits::GATHER, is_quiet).await;
        self.shared.enter(Phase::Wait);
        let deadline = Instant::now() + limits::ROUND;
        while self.waiting() > 0 {
            // Not so many that the next job wakes who should have had this one.
            for _ in 0..if self.rng.random_bool(0.3) { 2 } else { 1 } {
                self.enqueue().await?;
            }
            sleep(Duration::from_millis(self.rng.random_range(20..200))).await;
            let left = deadline.saturating_duration_since(Instant::now());
            let is_taken = async |rounds: &Rounds| rounds.waiting() == 0 || rounds.is_empty().await;
            if !self.until(left, is_taken).await {
                break;
            }
        }
        Ok(())
    }

    /// A few jobs that nobody takes while keys are repeated.
    async fn repeat(&mut self, round: u32) -> anyhow::Result<()> {
        self.shared.enter(Phase::Repeat(round));
        for _ in 0..3 {
            self.enqueue().await?;
        }
        sleep(limits::GATHER).await;
        self.until(limits::ROUND, async |rounds: &Rounds| rounds.waiting() == 0).await;
        self.count().await
    }

    /// Has the queues of each node counted, where nothing happens for so long.
    async fn count(&mut self) -> anyhow::Result<()> {
        self.shared.enter(Phase::Count);
        let deadline = Instant::now() + limits::COUNT;
        let mut left: Vec<usize> = (0..self.shared.nodes.len()).collect();
        while !left.is_empty() && Instant::now() < deadline {
            sleep(limits::POLL).await;
            for node in std::mem::take(&mut left) {
                // Whoever is harmed just now is not asked again.
                match counts(&self.http, &self.shared.nodes[node], limits::COUNTED).await {
                    Ok(Some(counts)) => self.shared.recorder.counts(&counts)?,
                    Ok(None) => left.push(node),
                    Err(_) => {}
                }
            }
        }
        Ok(())
    }

    /// Lets everybody go who still waits, for the end of the run.
    ///
    /// # Errors
    /// An answer is not of this API, or the history cannot be written.
    pub(crate) async fn release(&mut self) -> anyhow::Result<()> {
        for _ in 0..self.waiting() {
            self.enqueue().await?;
        }
        Ok(())
    }

    /// Ends what would not end within this run: jobs with a long delay, and those with a long timeout that nobody holds.
    ///
    /// # Errors
    /// An answer is not of this API, or the history cannot be written.
    pub(crate) async fn end_long_jobs(&mut self) -> anyhow::Result<()> {
        let Some(node) = self.node() else { return Ok(()) };
        let node = self.shared.nodes[node].clone();
        // What cannot be asked now is asked again soon.
        let delayed = self.observer.jobs(&node, "delayed").await.unwrap_or_default();
        for job in delayed.into_iter().filter(|job| job.delay == limits::LONG_DELAY) {
            self.send(Call::Cancel { id: job.id.into() }).await?;
        }
        let running = self.observer.jobs(&node, "running").await.unwrap_or_default();
        for job in running.into_iter().filter(|job| limits::LONG_TIMEOUT.contains(&job.timeout)) {
            self.send(success(job.id.into())).await?;
        }
        Ok(())
    }

    async fn enqueue(&mut self) -> anyhow::Result<()> {
        self.sent += 1;
        let job = new_job(&format!("c{}-{}", self.number, self.sent));
        self.send(Call::Enqueue { jobs: vec![job] }).await
    }

    async fn send(&mut self, call: Call) -> anyhow::Result<()> {
        let Some(node) = self.node() else { return Ok(()) };
        let op: Op = self.rest.attempt(self.number, &self.shared.nodes[node], call, None, None).await?;
        Ok(self.shared.recorder.op(&op)?)
    }

    /// Any that clients may ask.
    fn node(&mut self) -> Option<usize> {
        let open: Vec<usize> =
            (0..self.shared.nodes.len()).filter(|node| self.shared.is_open(*node)).collect();
        (!open.is_empty()).then(|| open[self.rng.random_range(0..open.len())])
    }

    fn waiting(&self) -> u32 {
        self.shared.waiting.load(Ordering::Relaxed)
    }

    /// True where some node says that no job is queued: of the default queue, for which rounds are.
    async fn is_empty(&self) -> bool {
        for node in &self.shared.nodes {
            if let Ok(jobs) = self.observer.jobs(node, "queued").await {
                return jobs.is_empty();
            }
        }
        false
    }

    /// Waits until it is so, but not for ever.
    async fn until(&self, most: Duration, is_so: impl AsyncFn(&Rounds) -> bool) -> bool {
        let deadline = Instant::now() + most;
        loop {
            if is_so(self).await {
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
            sleep(limits::POLL).await;
        }
    }
}
