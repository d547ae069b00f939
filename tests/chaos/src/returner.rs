use std::sync::Arc;
use std::time::Duration;

use quorate_check::{Call, NewJob, Outcome, Reason};
use rand::Rng;
use tokio::time::sleep;

use crate::asker::Asker;
use crate::draw::{failure, new_job};
use crate::limits;
use crate::queues::GIVEN_BACK;
use crate::rest::Rest;
use crate::shared::{Phase, Shared};

/// Its number among the clients.
const NUMBER: u32 = 601;

/// Takes a job and gives it back, again and again, until it is refused; then the job fails, and another one follows.
pub(crate) struct Returner(Asker);

impl Returner {
    pub(crate) fn new(seed: u64, rest: Rest, shared: Arc<Shared>) -> Returner {
        Returner(Asker::new(NUMBER, seed, rest, shared))
    }

    /// # Errors
    /// An answer is not of this API, or the history cannot be written.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let Returner(mut asker) = self;
        while !matches!(asker.shared.phase(), Phase::Drain | Phase::Stop) {
            sleep(Duration::from_millis(asker.rng.random_range(1..15))).await;
            if asker.shared.phase() == Phase::Count {
                continue;
            }
            let key = asker.new_tag();
            let call = Call::Consume { n: 1, wait: 0, queue: vec![GIVEN_BACK.into()] };
            let taken = asker.ask(call, Some(key.into())).await?;
            let Some(job) = taken.jobs.into_iter().next() else {
                let key = asker.new_tag();
                let new = NewJob {
                    queue: GIVEN_BACK.into(),
                    timeout: limits::SHORT_TIMEOUT,
                    ..new_job(&format!("{key}-0"))
                };
                asker.ask(Call::Enqueue { jobs: vec![new] }, Some(key.into())).await?;
                continue;
            };
            let released = asker.ask(Call::Release { id: job.id.clone(), delay: 0 }, None).await?;
            if released.outcome == Outcome::Fail {
                asker.ask(failure(job.id, Reason::BadExit), None).await?;
            }
        }
        Ok(())
    }
}
