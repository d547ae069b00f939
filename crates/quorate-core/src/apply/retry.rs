use crate::{Job, JobId, Refusal, Reply, State, Table};

use super::enqueue;
use super::image;
use super::step::{Step, Stop, refuse};

/// Enqueues a finished job again, as a new job with the same number of automatic retries. While an earlier retry of it
/// is active, answers that one.
pub(super) fn retry<T: Table>(
    step: &mut Step<'_, T>,
    id: JobId,
    new_id: JobId,
) -> Result<Reply, Stop<T::Error>> {
    let job = step.job(id)?;
    match job.state {
        State::Success | State::Cancelled { .. } => {}
        State::Error { .. } if job.max_retries == 0 => {}
        State::Error { .. } => return refuse(Refusal::RetriesLeft),
        State::Delayed { .. } | State::Queued { .. } | State::Running { .. } => {
            return step.wrong_status(&job);
        }
    }
    if let Some(latest) = job.retry_id
        && let Some(retry) = step.current(latest)?
        && !retry.status().is_final()
    {
        return Ok(Reply::Job(Box::new(retry)));
    }
    if step.table.job(new_id)?.is_some() {
        return refuse(Refusal::IdTaken);
    }
    let retry = add(step, &job, new_id, job.max_retries, 0)?;
    let linked = Job { retry_id: Some(new_id), ..job.clone() };
    step.table.put_job(Some(&job), &linked)?;
    Ok(Reply::Job(Box::new(retry)))
}

/// Adds the automatic retry of a job that is about to end in error, if it has one left, and gives its id. Linking the
/// job to it is the caller's part.
pub(super) fn automatic<T: Table>(step: &mut Step<'_, T>, job: &Job) -> Result<Option<JobId>, T::Error> {
    let Some(left) = job.max_retries.checked_sub(1) else { return Ok(None) };
    let id = JobId::of_automatic_retry(job.id, step.at, step.now);
    add(step, job, id, left, job.retries_delay).map(|retry| Some(retry.id))
}

/// Adds a job that retries `job`. It shares the payload.
fn add<T: Table>(
    step: &mut Step<'_, T>,
    job: &Job,
    id: JobId,
    max_retries: u32,
    delay: u32,
) -> Result<Job, T::Error> {
    let number = step.table.next_seq();
    let retry = Job {
        id,
        number,
        delay: 0,
        max_retries,
        created_at: step.now,
        started_at: None,
        completed_at: None,
        state: enqueue::waiting(step.now, number, delay),
        log_bytes: 0,
        retry_of: Some(job.id),
        retry_id: None,
        ..job.clone()
    };
    step.table.put_job(None, &retry)?;
    image::name(step, &retry)?;
    Ok(retry)
}
