use std::collections::HashMap;

use quorate_core::limits::{LANES, OPERATION_JOBS_PER_STEP};
use quorate_core::{Command, JobId, JobsQuery, Operation, OperationId, Order, Refusal, Selection};
use quorate_store::planted::{Bug, planted};
use quorate_store::{Reader, StoreError};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

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
        // Those whose last step was not done.
        let mut resting: HashMap<OperationId, Rest> = HashMap::new();
        loop {
            self.changed.mark_unchanged();
            let mut running = self.reader.operations();
            running.retain(|operation| operation.is_running());
            resting.retain(|id, _| running.iter().any(|operation| operation.id == *id));
            if running.is_empty() || self.leadership.here().is_none() {
                tokio::select! {
                    changed = self.changed.changed() => if changed.is_err() { return },
                    () = self.leadership.changed() => {}
                }
                continue;
            }
            // In turns, so that neither a long one nor one that is stuck holds up the others.
            let now = Instant::now();
            let lanes = self.reader.lanes();
            let rests = |id: OperationId| resting.get(&id).and_then(|rest| rest.at(now, lanes));
            let turns: Vec<OperationId> =
                running.iter().map(|operation| operation.id).filter(|id| rests(*id).is_none()).collect();
            if turns.is_empty() {
                let until = running.iter().filter_map(|operation| rests(operation.id)).min().unwrap_or(now);
                tokio::select! {
                    changed = self.changed.changed() => if changed.is_err() { return },
                    () = sleep_until(until) => {}
                }
            }
            for id in turns {
                // As it is by now.
                let operation = self.reader.operation(id).filter(|operation| operation.is_running());
                let Some(operation) = operation.filter(|_| self.leadership.here().is_some()) else {
                    continue;
                };
                let begun = Instant::now();
                match self.go_on(&operation).await {
                    Stepped::Done => resting.remove(&id),
                    Stepped::NotNow => resting.insert(id, Rest::begin(false)),
                    Stepped::NoLane => resting.insert(id, Rest::begin(true)),
                };
                // Half of the time is others'.
                sleep(begun.elapsed().min(limits::OPERATION_REST)).await;
            }
        }
    }

    /// One step.
    async fn go_on(&self, operation: &Operation) -> Stepped {
        let (jobs, to) = match self.next(operation).await {
            Ok(next) => next,
            Err(error) => die(&format!("the job table cannot be read: {error}")),
        };
        if jobs.len() < OPERATION_JOBS_PER_STEP && planted(Bug::OnlyFullSteps) {
            return Stepped::NotNow;
        }
        let Operation { id, action, cursor: from, .. } = *operation;
        let step = Command::StepOperation { id, action, from, to, jobs };
        match self.intake.submit(step, limits::OPERATION_STEP).await.map(|answered| answered.outcome) {
            Ok(Ok(_)) => Stepped::Done,
            // Whoever leads tries again.
            Ok(Err(refusal)) => {
                tracing::debug!(operation = %id, ?refusal, "a step was refused");
                if refusal == Refusal::TooManyLanes { Stepped::NoLane } else { Stepped::NotNow }
            }
            // There may be another leader, or no room on the disk.
            Err(unavailable) => {
                tracing::debug!(operation = %id, ?unavailable, "a step got no answer");
                Stepped::NotNow
            }
        }
    }

    /// The jobs of its next step, and where it goes on behind them. They may be few, even none, where many rows were looked at.
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
        let query = JobsQuery {
            n: OPERATION_JOBS_PER_STEP,
            order: Order::OldestFirst,
            behind: operation.cursor.checked_sub(1),
            filter: filter.clone(),
        };
        let page = self.reader.jobs(query).await?;
        let lost = usize::from(page.next.is_some() && planted(Bug::StepTooFar));
        let jobs = page.jobs.iter().take(page.jobs.len().saturating_sub(lost));
        let meant = jobs.filter(|job| job.number < operation.number);
        let last = page.next.filter(|number| *number < operation.number);
        Ok((meant.map(|job| job.id).collect(), last.map(|number| number + 1)))
    }
}

/// What came of a step.
enum Stepped {
    Done,
    NotNow,
    /// There is no lane for what it would retry.
    NoLane,
}

/// When work goes on whose last step was not done.
struct Rest {
    until: Instant,
    /// Until when it would most likely find no lane as long as there are as many as may be: each step costs an entry of the log. But the
    /// job that it stands at may need none any more.
    for_a_lane: Option<Instant>,
}

impl Rest {
    fn begin(for_a_lane: bool) -> Rest {
        let now = Instant::now();
        Rest {
            until: now + limits::OPERATION_PAUSE,
            for_a_lane: for_a_lane.then(|| now + limits::OPERATION_LANE_PAUSE),
        }
    }

    /// When to look again; `None` where it can go on, with so many lanes.
    fn at(&self, now: Instant, lanes: usize) -> Option<Instant> {
        let waits = self.for_a_lane.is_some_and(|until| now < until) && lanes >= LANES;
        if waits {
            Some(now + limits::OPERATION_PAUSE)
        } else {
            Some(self.until).filter(|until| now < *until)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_found_no_lane_rests_longer_but_where_there_is_one() {
        let can_go_on = |rest: &Rest, lanes| rest.at(Instant::now(), lanes).is_none();
        let [rest, for_a_lane] = [false, true].map(Rest::begin);
        assert!(!can_go_on(&rest, 0) && !can_go_on(&for_a_lane, 0));
        tokio::time::advance(limits::OPERATION_PAUSE).await;
        assert!(can_go_on(&rest, LANES) && !can_go_on(&for_a_lane, LANES));
        assert!(can_go_on(&for_a_lane, LANES - 1));
        tokio::time::advance(limits::OPERATION_LANE_PAUSE).await;
        assert!(can_go_on(&for_a_lane, LANES), "the job that it stands at may be gone");
    }
}
