use std::sync::Arc;

use crate::{
    Action, Filter, JobId, NewOperation, Operation, OperationId, OperationState, Refusal, Reply, Selection,
    Table, limits,
};

use super::step::{Abort, Step, check, refuse};
use super::{cancel, delete, lookup, retry};

/// Begins work on many jobs. The operation that ended first makes room for it.
pub(super) fn start<T: Table>(step: &mut Step<'_, T>, new: &NewOperation) -> Result<Reply, Abort<T::Error>> {
    check_limits(new)?;
    if let Selection::Filter(Filter { queue: Some(queue), .. }) = &new.selection
        && step.table.dispatch().queue(*queue).is_none()
    {
        return refuse(Refusal::NoSuchQueue);
    }
    let known = step.table.operations();
    if known.contains_key(&new.id) {
        return refuse(Refusal::IdTaken);
    }
    let (running, ended): (Vec<_>, Vec<_>) = known.values().partition(|operation| operation.is_running());
    // Of each action for itself: what is retried may have to wait for room that others make.
    if running.iter().filter(|operation| operation.action == new.action).count() >= limits::OPERATIONS_RUNNING
    {
        return refuse(Refusal::TooManyOperations);
    }
    let first =
        ended.iter().min_by_key(|operation| (operation.ended_at, operation.number)).map(|first| first.id);
    if known.len() >= limits::OPERATIONS
        && let Some(first) = first
    {
        step.table.delete_operation(first);
    }
    let number = step.table.next_seq();
    step.put_operation(Operation {
        id: new.id,
        action: new.action,
        details: new.details.clone(),
        selection: new.selection.clone(),
        words: new.words.clone(),
        number,
        cursor: 0,
        state: OperationState::Running,
        done: 0,
        skipped: 0,
        started_at: step.now,
        ended_at: None,
    });
    Ok(Reply::Operation(new.id))
}

/// Does a part of it, and moves it on, at most to the first job that there is no room for: that one waits for its time. What begins
/// elsewhere than where the operation stands was done before, by this leader or another one.
pub(super) fn go_on<T: Table>(
    step: &mut Step<'_, T>,
    (id, action): (OperationId, Action),
    (from, to): (u64, Option<u64>),
    jobs: &[JobId],
) -> Result<Reply, Abort<T::Error>> {
    check(jobs.len() <= limits::OPERATION_JOBS_PER_STEP, "ids")?;
    let Some(operation) = step.table.operations().get(&id).map(Arc::clone) else {
        return refuse(Refusal::NoSuchOperation);
    };
    check(operation.action == action && to.is_none_or(|to| from < to), "operation")?;
    if !operation.is_running() || operation.cursor != from {
        return Ok(Reply::Done);
    }
    let mut next = Operation::clone(&operation);
    for (place, job) in (from..).zip(jobs) {
        match carry_out(step, &operation, *job)? {
            Outcome::Done => next.done += 1,
            Outcome::Skipped => next.skipped += 1,
            Outcome::NoRoom { .. } if (next.done, next.skipped) == (operation.done, operation.skipped) => {
                return refuse(Refusal::TooManyLanes);
            }
            Outcome::NoRoom { number } => {
                next.cursor = match &operation.selection {
                    Selection::Filter(_) => number,
                    Selection::Ids(_) => place,
                };
                step.put_operation(next);
                return Ok(Reply::Done);
            }
        }
    }
    match to {
        Some(to) => next.cursor = to,
        None => (next.state, next.ended_at) = (OperationState::Done, Some(step.now)),
    }
    step.put_operation(next);
    Ok(Reply::Done)
}

/// Ends it early. One that has ended stays as it is.
pub(super) fn stop<T: Table>(step: &mut Step<'_, T>, id: OperationId) -> Result<Reply, Abort<T::Error>> {
    let Some(operation) = step.table.operations().get(&id) else { return refuse(Refusal::NoSuchOperation) };
    if operation.is_running() {
        let mut stopped = Operation::clone(operation);
        (stopped.state, stopped.ended_at) = (OperationState::Stopped, Some(step.now));
        step.put_operation(stopped);
    }
    Ok(Reply::Done)
}

/// What came of one job.
enum Outcome {
    Done,
    /// It has changed, or does not allow it.
    Skipped,
    /// The job with this number would have to wait in a lane too many.
    NoRoom {
        number: u64,
    },
}

/// Does it to one job.
fn carry_out<T: Table>(
    step: &mut Step<'_, T>,
    operation: &Operation,
    id: JobId,
) -> Result<Outcome, T::Error> {
    // As it was before its deadline is looked at: what times out now was not meant.
    if !step.table.job(id)?.is_some_and(|job| operation.is_for(&job)) {
        return Ok(Outcome::Skipped);
    }
    let Some(job) = lookup::current(step, id)? else { return Ok(Outcome::Skipped) };
    let outcome = match operation.action {
        Action::Retry => retry::retry_first(step, &operation.selection, &job),
        Action::Cancel => cancel::cancel(step, id, &operation.details),
        Action::Delete => delete::delete(step, id),
    };
    match outcome {
        Ok(_) => Ok(Outcome::Done),
        Err(Abort::Refused(Refusal::TooManyLanes)) => Ok(Outcome::NoRoom { number: job.number }),
        Err(Abort::Refused(_)) => Ok(Outcome::Skipped),
        Err(Abort::Broken(error)) => Err(error),
    }
}

fn check_limits<E>(new: &NewOperation) -> Result<(), Abort<E>> {
    check(new.details.len() <= limits::OPERATION_DETAILS_BYTES, "details")?;
    check(new.words.len() <= limits::OPERATION_WORDS_BYTES, "words")?;
    match &new.selection {
        Selection::Filter(filter) => check(filter.is_within_limits(), "filter"),
        Selection::Ids(ids) => check((1..=limits::JOBS_PER_REQUEST).contains(&ids.len()), "ids"),
    }
}
