use crate::{Job, JobId, Lane, Refusal, Reply, State, Table, limits};

use super::step::{Abort, Step, refuse};
use super::{birth, lookup};

/// Enqueues a finished job again, as a new job with the same number of automatic retries. While an earlier retry of it
/// is active, answers that one.
pub(super) fn retry<T: Table>(
    step: &mut Step<'_, T>,
    id: JobId,
    new_id: JobId,
) -> Result<Reply, Abort<T::Error>> {
    let job = lookup::job(step, id)?;
    match job.state {
        State::Success | State::Cancelled { .. } => {}
        State::Error { .. } if job.max_retries == 0 => {}
        State::Error { .. } => return refuse(Refusal::RetriesLeft),
        State::Delayed { .. } | State::Queued { .. } | State::Running { .. } => {
            return lookup::wrong_status(step, &job);
        }
    }
    if let Some(latest) = job.retry_id
        && let Some(retry) = lookup::current(step, latest)?
        && !retry.status().is_final()
    {
        return Ok(Reply::Job(Box::new(retry)));
    }
    if step.table.job(new_id)?.is_some() {
        return refuse(Refusal::IdTaken);
    }
    let dispatch = step.table.dispatch();
    if dispatch.lane_count() >= limits::LANES && dispatch.mark(&Lane::of(&job)).is_none() {
        return refuse(Refusal::TooManyLanes);
    }
    let retry = birth::retry(step, &job, new_id)?;
    let linked = Job { retry_id: Some(new_id), ..job.clone() };
    step.put_job(Some(&job), &linked)?;
    Ok(Reply::Job(Box::new(retry)))
}
