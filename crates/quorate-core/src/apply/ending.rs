use bytes::Bytes;

use crate::{EndedBy, Job, Reason, State, Status, Table, Timestamp};

use super::birth;
use super::step::Step;

/// Writes a job that has just reached a final state, with its log.
pub(super) fn end<T: Table>(
    step: &mut Step<'_, T>,
    before: &Job,
    mut ended: Job,
    log: &Bytes,
) -> Result<Job, T::Error> {
    ended.completed_at = Some(step.now);
    let settings = &step.queue(ended.queue).settings;
    let keep = if ended.status() == Status::Success { settings.keep_success } else { settings.keep_error };
    ended.keep_until = keep.map(|seconds| step.now.plus_millis(seconds.saturating_mul(1_000)));
    // What came while it ran stays, where its end brings no other log.
    if !log.is_empty() {
        ended.log_bytes = u32::try_from(log.len()).expect("a log within its limit");
        if ended.log_parts > 0 {
            step.table.delete_log_parts(ended.id, ended.log_parts)?;
            ended.log_parts = 0;
        }
        step.table.put_log(ended.id, log.clone())?;
    }
    step.put_job(Some(before), &ended)?;
    Ok(ended)
}

/// Ends a running job in `error`, whoever says so, and adds its automatic retry if it has one left.
pub(super) fn end_in_error<T: Table>(
    step: &mut Step<'_, T>,
    job: Job,
    reason: Reason,
    by: EndedBy,
    details: &str,
    log: &Bytes,
) -> Result<Job, T::Error> {
    let before = job.clone();
    fail(step, &before, job, (reason, by, details), log)
}

/// The same of a job whose record changes with it.
pub(super) fn fail<T: Table>(
    step: &mut Step<'_, T>,
    before: &Job,
    mut job: Job,
    (reason, by, details): (Reason, EndedBy, &str),
    log: &Bytes,
) -> Result<Job, T::Error> {
    if job.max_retries > 0 {
        job.retry_id = Some(birth::automatic_retry(step, &job)?.id);
    }
    job.state = State::Error { reason, by, details: details.into() };
    end(step, before, job, log)
}

/// True for a running job whose deadline has come.
pub(super) fn has_timed_out(job: &Job, now: Timestamp) -> bool {
    matches!(job.state, State::Running { deadline } if deadline <= now)
}

/// Ends a running job by its deadline.
pub(super) fn time_out<T: Table>(step: &mut Step<'_, T>, job: Job) -> Result<Job, T::Error> {
    end_in_error(step, job, Reason::Timeout, EndedBy::Cluster, "", &Bytes::new())
}
