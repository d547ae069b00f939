use quorate_core::limits::OPERATION_JOBS_PER_STEP;
use quorate_core::{Command, JobId, JobsQuery, Operation, Order, Selection};
use quorate_store::{Reader, StoreError};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::command::intake::Intake;
use crate::leadership::Leadership;
use crate::limits;
use crate::task::die;

/// Has work on many jobs go on while this node leads: it looks for the next jobs in its own table, and proposes a step for them. The
/// log says whether that is still the next one, so it does not matter who else proposes any. It costs nothing while there is no such
/// work.
pub(crate) struct Operations {
    pub(crate) leadership: Leadership,
    pub(crate) intake: Intake,
    pub(crate) reader: Reader,
    /// Some work began, went on or ended.
    pub(crate) changed: watch::Receiver<()>,
}

impl Operations {
    pub(crate) async fn run(mut self) {
        loop {
            self.changed.mark_unchanged();
            let mut running = self.reader.operations();
            running.retain(|operation| operation.is_running());
            if running.is_empty() || self.leadership.here().is_none() {
                tokio::select! {
                    changed = self.changed.changed() => if changed.is_err() { return },
                    () = self.leadership.changed() => {}
                }
                continue;
            }
            // In turns, so that a long one does not hold up a short one.
            for operation in running {
                let begun = Instant::now();
                self.go_on(&operation).await;
                // Half of the time is others'.
                sleep(begun.elapsed().min(limits::OPERATION_REST)).await;
            }
        }
    }

    async fn go_on(&self, operation: &Operation) {
        let (jobs, to) = match self.next(operation).await {
            Ok(next) => next,
            Err(error) => die(&format!("the job table cannot be read: {error}")),
        };
        let Operation { id, action, cursor: from, .. } = *operation;
        let step = Command::StepOperation { id, action, from, to, jobs };
        match self.intake.submit(step, limits::OPERATION_STEP).await.map(|answered| answered.outcome) {
            Ok(Ok(_)) => {}
            Ok(Err(refusal)) => {
                tracing::warn!(operation = %id, ?refusal, "a step was refused");
                sleep(limits::OPERATION_PAUSE).await;
            }
            // There may be another leader, or no room for what is retried. Whoever leads tries again.
            Err(unavailable) => {
                tracing::debug!(operation = %id, ?unavailable, "a step got no answer");
                sleep(limits::OPERATION_PAUSE).await;
            }
        }
    }

    /// The jobs of its next step, and where it goes on behind them.
    async fn next(&self, operation: &Operation) -> Result<(Vec<JobId>, Option<u64>), StoreError> {
        let filter = match &operation.selection {
            Selection::Filter(filter) => filter,
            Selection::Ids(ids) => {
                let from = usize::try_from(operation.cursor).unwrap_or(usize::MAX);
                let jobs: Vec<JobId> = ids.iter().skip(from).take(OPERATION_JOBS_PER_STEP).copied().collect();
                let to = from.saturating_add(jobs.len());
                return Ok((jobs, (to < ids.len()).then_some(to as u64)));
            }
        };
        let mut jobs = Vec::new();
        let mut behind = operation.cursor.checked_sub(1);
        loop {
            let n = OPERATION_JOBS_PER_STEP - jobs.len();
            let query = JobsQuery { n, order: Order::OldestFirst, behind, filter: filter.clone() };
            let page = self.reader.jobs(query).await?;
            jobs.extend(page.jobs.iter().filter(|job| job.number < operation.number).map(|job| job.id));
            behind = page.next.filter(|number| *number < operation.number);
            let goes_on = self.reader.operation(operation.id).is_some_and(|now| now.is_running());
            // A page may be short, where many rows were looked at.
            if behind.is_none() || jobs.len() == OPERATION_JOBS_PER_STEP || !goes_on {
                return Ok((jobs, behind.map(|number| number + 1)));
            }
        }
    }
}
