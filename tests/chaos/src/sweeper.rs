use std::sync::Arc;
use std::time::Duration;

use quorate_check::{Action, Call, NewJob, Op, OperationStatus, Reason, Selection, Status};
use rand::Rng;
use tokio::time::sleep;

use crate::asker::Asker;
use crate::draw::{failure, new_job, success};
use crate::limits;
use crate::queues::SWEPT;
use crate::rest::Rest;
use crate::shared::{Phase, Shared};

/// Its number among the clients.
const NUMBER: u32 = 603;

/// Cancels, retries and deletes many jobs of a queue at once, while more of them come, some are taken, and some are others'. Each time
/// under keys of its own, so that it is known what each time was for; and now and then whatever waits.
pub(crate) struct Sweeper(Asker);

impl Sweeper {
    pub(crate) fn new(seed: u64, rest: Rest, shared: Arc<Shared>) -> Sweeper {
        Sweeper(Asker::new(NUMBER, seed, rest, shared))
    }

    /// # Errors
    /// An answer is not of this API, or the history cannot be written.
    pub(crate) async fn run(mut self) -> anyhow::Result<()> {
        for time in 0_u32.. {
            while self.0.shared.phase() == Phase::Count {
                sleep(limits::POLL).await;
            }
            if self.is_over() {
                break;
            }
            self.sweep(time).await?;
            sleep(Duration::from_millis(self.0.rng.random_range(limits::SWEEP_EVERY))).await;
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        matches!(self.0.shared.phase(), Phase::Drain | Phase::Stop)
    }

    async fn sweep(&mut self, time: u32) -> anyhow::Result<()> {
        let (key, other) = (format!("{time}-a"), format!("{time}-b"));
        let all = self.enqueue(limits::SWEPT_JOBS, &key, Some(&other)).await?;
        self.take_some().await?;
        let of_key = |status: &[Status]| Selection {
            queue: Some(SWEPT.into()),
            key: Some(key.as_str().into()),
            status: status.into(),
            ids: Vec::new(),
        };
        let waiting: &[Status] = match self.0.rng.random_range(0..3) {
            0 => &[],
            1 => &[Status::Queued],
            _ => &[Status::Delayed, Status::Queued],
        };
        self.operate(Action::Cancel, of_key(waiting), &key).await?;
        match self.0.rng.random_range(0..4) {
            0 => {
                self.operate(Action::Retry, of_key(&[Status::Cancelled, Status::Error]), &key).await?;
                self.take_some().await?;
                self.operate(Action::Cancel, of_key(&[]), &key).await?;
            }
            1 => self.operate(Action::Delete, of_key(&[]), &key).await?,
            2 => {
                let ids = all.jobs.iter().map(|job| job.id.clone());
                let ids = Selection { ids: ids.collect(), ..Selection::default() };
                let action = if self.0.rng.random_bool(0.5) { Action::Retry } else { Action::Delete };
                self.operate(action, ids, &key).await?;
            }
            _ => {
                let status = vec![Status::Delayed, Status::Queued];
                let selection = Selection { queue: Some(SWEPT.into()), status, ..Selection::default() };
                self.operate(Action::Cancel, selection, &key).await?;
            }
        }
        Ok(())
    }

    /// Some are of another key, of another priority, or delayed.
    async fn enqueue(&mut self, count: u32, key: &str, other: Option<&str>) -> anyhow::Result<Op> {
        let tag = self.0.new_tag();
        let job = |place| NewJob {
            queue: SWEPT.into(),
            key: other.filter(|_| place % 9 == 0).unwrap_or(key).into(),
            priority: u8::from(place % 7 == 0),
            delay: u32::from(place % 11 == 0),
            timeout: limits::SHORT_TIMEOUT,
            ..new_job(&format!("{tag}-{place}"))
        };
        self.0.ask(Call::Enqueue { jobs: (0..count).map(job).collect() }, Some(tag.as_str().into())).await
    }

    /// Some end, well or not, and some go on running.
    async fn take_some(&mut self) -> anyhow::Result<()> {
        let key = self.0.new_tag();
        let call = Call::Consume { n: 6, wait: 0, queue: vec![SWEPT.into()] };
        let taken = self.0.ask(call, Some(key.into())).await?;
        for (place, job) in taken.jobs.into_iter().enumerate() {
            match place % 3 {
                0 => self.0.ask(success(job.id), None).await?,
                1 => self.0.ask(failure(job.id, Reason::BadExit), None).await?,
                _ => continue,
            };
        }
        Ok(())
    }

    /// Begins work on many jobs, has more of them come, and watches it to its end; sometimes it is stopped before.
    async fn operate(&mut self, action: Action, selection: Selection, key: &str) -> anyhow::Result<()> {
        let tag = self.0.new_tag();
        let begun = self.0.ask(Call::Operate { action, selection }, Some(tag.into())).await?;
        let Some(operation) = begun.operation else { return Ok(()) };
        if self.0.rng.random_bool(0.5) {
            self.enqueue(2, key, None).await?;
        }
        if self.0.rng.random_bool(0.1) {
            self.0.ask(Call::Stop { id: operation.id.clone() }, None).await?;
        }
        let mut last_looks = limits::SWEPT_LAST_LOOKS;
        loop {
            let watch = Call::Watch { id: operation.id.clone(), wait: self.0.rng.random_range(0..=1) };
            let seen = self.0.ask(watch, None).await?;
            let has_ended = seen.operation.is_some_and(|seen| seen.status != OperationStatus::Running);
            if has_ended {
                return Ok(());
            }
            if self.0.shared.phase() == Phase::Stop {
                // Nothing is left to be waited for but this.
                if last_looks == 0 {
                    return Ok(());
                }
                last_looks -= 1;
            }
            sleep(Duration::from_millis(self.0.rng.random_range(20..80))).await;
        }
    }
}
