use crate::{Job, JobId, Lane, Refusal, Reply, State, Table, limits};

use super::step::{Abort, Step, refuse};
use super::{birth, lookup};

/// Enqueues a finished job again, as a new job with the same number of automatic retries. While an earlier retry of it
/// is active, answers that one: it is queued now, if it waits for its time.
pub(super) fn retry<T: Table>(
    step: &mut Step<'_, T>,
    id: JobId,
    new_id: JobId,
) -> Result<Reply, Abort<T::Error>> {
    let job = lookup::job(step, id)?;
    if !job.status().is_final() {
        return lookup::wrong_status(step, &job);
    }
    let latest = match job.retry_id {
        Some(latest) => lookup::current(step, latest)?.filter(|latest| !latest.status().is_final()),
        None => None,
    };
    match latest {
        Some(latest) => {
            let is_delayed = matches!(latest.state, State::Delayed { .. });
            let latest = if is_delayed { birth::queue_now(step, &latest)? } else { latest };
            Ok(Reply::Job(Box::new(latest)))
        }
        None if matches!(job.state, State::Error { .. }) && job.max_retries > 0 => {
            refuse(Refusal::RetriedAutomatically)
        }
        None => again(step, &job, new_id),
    }
}

/// The same of one of many jobs, which may have come to this one before: only where no other job goes on from it, or one that waits
/// for its time.
pub(super) fn retry_first<T: Table>(step: &mut Step<'_, T>, job: &Job) -> Result<Reply, Abort<T::Error>> {
    let Some(latest) = job.retry_id else {
        return again(step, job, birth::id_of_successor(step, job.id));
    };
    match lookup::current(step, latest)? {
        Some(latest) if matches!(latest.state, State::Delayed { .. }) => {
            Ok(Reply::Job(Box::new(birth::queue_now(step, &latest)?)))
        }
        Some(_) | None => lookup::wrong_status(step, job),
    }
}

/// Adds the new job.
fn again<T: Table>(step: &mut Step<'_, T>, job: &Job, new_id: JobId) -> Result<Reply, Abort<T::Error>> {
    if step.table.job(new_id)?.is_some() {
        return refuse(Refusal::IdTaken);
    }
    let dispatch = step.table.dispatch();
    if dispatch.lane_count() >= limits::LANES && dispatch.mark(&Lane::of(job)).is_none() {
        return refuse(Refusal::TooManyLanes);
    }
    let retry = birth::retry(step, job, new_id)?;
    let linked = Job { retry_id: Some(new_id), ..job.clone() };
    step.put_job(Some(job), &linked)?;
    Ok(Reply::Job(Box::new(retry)))
}
