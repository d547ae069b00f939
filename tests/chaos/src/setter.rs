use std::sync::Arc;
use std::time::Duration;

use quorate_check::{Call, NewJob, QueueLimits};
use rand::Rng;
use tokio::time::sleep;

use crate::asker::Asker;
use crate::draw::{new_job, success};
use crate::limits;
use crate::queues::SET;
use crate::rest::Rest;
use crate::shared::{Phase, Shared};

/// Its number among the clients.
const NUMBER: u32 = 600;

/// Pauses a queue, resumes it and limits it, again and again, and takes from it in between: after a restart, what was set before it must
/// hold. At the end it takes its limits away.
pub(crate) struct Setter(Asker);

impl Setter {
    pub(crate) fn new(seed: u64, rest: Rest, shared: Arc<Shared>) -> Setter {
        Setter(Asker::new(NUMBER, seed, rest, shared))
    }

    /// # Errors
    /// An answer is not of this API, or the history cannot be written.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let Setter(mut asker) = self;
        loop {
            let phase = asker.shared.phase();
            match phase {
                Phase::Stop => return Ok(()),
                Phase::Count => {
                    sleep(limits::POLL).await;
                    continue;
                }
                // More than once: a change of before may still be under way.
                Phase::Drain => {
                    let limits = QueueLimits::default();
                    asker.ask(Call::Set { queue: SET.into(), limits }, None).await?;
                    sleep(limits::POLL).await;
                    continue;
                }
                Phase::Work | Phase::Empty | Phase::Gather(_) | Phase::Wait | Phase::Repeat(_) => {}
            }
            let limits = drawn(&mut asker.rng);
            asker.ask(Call::Set { queue: SET.into(), limits }, None).await?;
            let key = asker.new_tag();
            let job =
                NewJob { queue: SET.into(), timeout: limits::SHORT_TIMEOUT, ..new_job(&format!("{key}-0")) };
            asker.ask(Call::Enqueue { jobs: vec![job] }, Some(key.into())).await?;
            sleep(Duration::from_millis(asker.rng.random_range(limits::SET_FOR))).await;
            let call = Call::Consume { n: 1, wait: 0, queue: vec![SET.into()] };
            let key = asker.new_tag();
            for job in asker.ask(call, Some(key.into())).await?.jobs {
                asker.ask(success(job.id), None).await?;
            }
            sleep(Duration::from_millis(asker.rng.random_range(limits::SET_FOR))).await;
        }
    }
}

fn drawn(rng: &mut impl Rng) -> QueueLimits {
    QueueLimits {
        max_running: rng.random_bool(0.5).then(|| rng.random_range(1..=3)),
        max_running_per_key: rng.random_bool(0.2).then_some(1),
        paused: rng.random_bool(0.4),
        rate: None,
    }
}
