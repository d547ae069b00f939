use std::sync::Arc;
use std::time::Duration;

use quorate_check::{Call, NewJob, Unique, Until};
use rand::Rng;
use tokio::time::{Instant, sleep};

use crate::asker::Asker;
use crate::draw::{finish, new_job};
use crate::limits;
use crate::queues::SLOW;
use crate::rest::Rest;
use crate::shared::{Phase, Shared};

/// Its number among the clients.
const NUMBER: u32 = 602;

/// Takes from the queue with a rate as much as that lets through, and keeps it filled: so the rate is used up at any moment, and whoever
/// forgets that grants too much. One of its jobs is unique for longer than a restart takes.
pub(crate) struct Rated {
    asker: Asker,
    held: Vec<Box<str>>,
    /// Jobs that may wait.
    pile: u32,
    /// When it was last granted a job.
    granted: Instant,
}

impl Rated {
    pub(crate) fn new(seed: u64, rest: Rest, shared: Arc<Shared>) -> Rated {
        let asker = Asker::new(NUMBER, seed, rest, shared);
        Rated { asker, held: Vec::new(), pile: 0, granted: Instant::now() }
    }

    /// # Errors
    /// An answer is not of this API, or the history cannot be written.
    pub(crate) async fn run(mut self) -> anyhow::Result<()> {
        loop {
            match self.asker.shared.phase() {
                Phase::Drain | Phase::Stop => return Ok(()),
                Phase::Count => {
                    sleep(limits::POLL).await;
                    continue;
                }
                Phase::Work | Phase::Empty | Phase::Gather(_) | Phase::Wait | Phase::Repeat(_) => {}
            }
            // Others take from it, too.
            if self.granted.elapsed() > limits::SLOW_SILENCE {
                (self.pile, self.granted) = (0, Instant::now());
            }
            if self.pile < limits::SLOW_PILE {
                self.enqueue().await?;
            }
            self.take().await?;
            sleep(Duration::from_millis(self.asker.rng.random_range(20..80))).await;
        }
    }

    async fn enqueue(&mut self) -> anyhow::Result<()> {
        let key = self.asker.new_tag();
        let job = |place| NewJob {
            queue: SLOW.into(),
            timeout: limits::SHORT_TIMEOUT,
            unique: (place == 0)
                .then(|| Unique { key: "rated".into(), until: Until::For(limits::SLOW_UNIQUE) }),
            ..new_job(&format!("{key}-{place}"))
        };
        let jobs: Vec<NewJob> = (0..=limits::SLOW_JOBS).map(job).collect();
        self.asker.ask(Call::Enqueue { jobs }, Some(key.as_str().into())).await?;
        self.pile += limits::SLOW_JOBS;
        Ok(())
    }

    async fn take(&mut self) -> anyhow::Result<()> {
        let key = self.asker.new_tag();
        let (n, queue) = (limits::SLOW_JOBS, vec![SLOW.into()]);
        let held = std::mem::take(&mut self.held);
        let call = if held.is_empty() {
            Call::Consume { n, wait: 0, queue }
        } else {
            finish(held, n, 0, queue, false)
        };
        let taken = self.asker.ask(call, Some(key.into())).await?;
        if !taken.jobs.is_empty() {
            self.granted = Instant::now();
        }
        self.held = taken.jobs.into_iter().map(|job| job.id).collect();
        self.pile = self.pile.saturating_sub(u32::try_from(self.held.len()).unwrap_or(u32::MAX));
        Ok(())
    }
}
