use bytes::Bytes;

use crate::{EndedBy, Job, JobId, Reason, Reply, State, Table, limits};

use super::retry;
use super::step::{Step, Stop, check};

/// Ends a running job badly, and adds its automatic retry. Said again with the same reason, it answers the job as it
/// is; a job that the cluster ended stays ended by the cluster.
pub(super) fn fail<T: Table>(
    step: &mut Step<'_, T>,
    id: JobId,
    reason: Reason,
    details: &str,
    log: &Bytes,
) -> Result<Reply, Stop<T::Error>> {
    check(details.len() <= limits::DETAILS_BYTES, "details")?;
    check(log.len() <= limits::LOG_BYTES, "log")?;
    let job = step.job(id)?;
    match job.state {
        State::Running { .. } => {
            let ended = end_in_error(step, job, reason, EndedBy::Client, details, log)?;
            Ok(Reply::Job(Box::new(ended)))
        }
        State::Error { reason: first, by: EndedBy::Client, .. } if first == reason => {
            Ok(Reply::Job(Box::new(job)))
        }
        State::Delayed { .. }
        | State::Queued { .. }
        | State::Success
        | State::Error { .. }
        | State::Cancelled { .. } => step.wrong_status(&job),
    }
}

/// Ends a running job in `error`, whoever says so, and adds its automatic retry.
pub(super) fn end_in_error<T: Table>(
    step: &mut Step<'_, T>,
    mut job: Job,
    reason: Reason,
    by: EndedBy,
    details: &str,
    log: &Bytes,
) -> Result<Job, T::Error> {
    let before = job.clone();
    job.retry_id = retry::automatic(step, &job)?;
    job.state = State::Error { reason, by, details: details.into() };
    step.end(&before, job, log)
}
