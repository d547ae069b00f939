use std::sync::Arc;

use crate::{
    Action, JobId, NewOperation, Operation, OperationId, OperationState, Refusal, Reply, Selection, Table,
    limits,
};

use super::step::{Abort, Step, check, refuse};
use super::{cancel, delete, lookup, retry};

/// Begins work on many jobs. The operation that ended first makes room for it.
pub(super) fn start<T: Table>(step: &mut Step<'_, T>, new: &NewOperation) -> Result<Reply, Abort<T::Error>> {
    check_limits(new)?;
    let known = step.table.operations();
    if known.contains_key(&new.id) {
        return refuse(Refusal::IdTaken);
    }
    let (running, ended): (Vec<_>, Vec<_>) = known.values().partition(|operation| operation.is_running());
    if running.len() >= limits::OPERATIONS_RUNNING {
        return refuse(Refusal::TooManyOperations);
    }
    let oldest = ended.iter().min_by_key(|operation| operation.number).map(|oldest| oldest.id);
    if known.len() >= limits::OPERATIONS
        && let Some(oldest) = oldest
    {
        step.table.delete_operation(oldest);
    }
    let number = step.table.next_seq();
    step.put_operation(Operation {
        id: new.id,
        action: new.action,
        details: new.details.clone(),
        selection: new.selection.clone(),
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

/// Does a part of it, and moves it on. What begins elsewhere than where the operation stands was done before, by this leader or
/// another one.
pub(super) fn go_on<T: Table>(
    step: &mut Step<'_, T>,
    id: OperationId,
    (from, to): (u64, Option<u64>),
    jobs: &[JobId],
) -> Result<Reply, Abort<T::Error>> {
    check(jobs.len() <= limits::OPERATION_JOBS_PER_STEP, "ids")?;
    let Some(operation) = step.table.operations().get(&id).map(Arc::clone) else {
        return refuse(Refusal::NoSuchOperation);
    };
    if !operation.is_running() || operation.cursor != from {
        return Ok(Reply::Done);
    }
    let mut done = 0;
    for job in jobs {
        done += u64::from(carry_out(step, &operation, *job)?);
    }
    let mut next = Operation {
        done: operation.done + done,
        skipped: operation.skipped + (jobs.len() as u64 - done),
        ..Operation::clone(&operation)
    };
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

/// Does it to one job. False where that has changed, or refuses.
fn carry_out<T: Table>(step: &mut Step<'_, T>, operation: &Operation, id: JobId) -> Result<bool, T::Error> {
    let Some(job) = lookup::current(step, id)?.filter(|job| operation.is_for(job)) else { return Ok(false) };
    let outcome = match operation.action {
        Action::Retry => retry::retry_first(step, &job),
        Action::Cancel => cancel::cancel(step, id, &operation.details),
        Action::Delete => delete::delete(step, id),
    };
    match outcome {
        Ok(_) => Ok(true),
        Err(Abort::Refused(_)) => Ok(false),
        Err(Abort::Broken(error)) => Err(error),
    }
}

fn check_limits<E>(new: &NewOperation) -> Result<(), Abort<E>> {
    check(new.details.len() <= limits::DETAILS_BYTES, "details")?;
    match &new.selection {
        Selection::Filter(filter) => check(filter.is_within_limits(), "filter"),
        Selection::Ids(ids) => check((1..=limits::JOBS_PER_REQUEST).contains(&ids.len()), "ids"),
    }
}
