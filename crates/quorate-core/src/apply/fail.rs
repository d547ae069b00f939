use bytes::Bytes;

use crate::{EndedBy, Job, JobId, Reason, State, Table, limits};

use super::step::{Abort, Step, check};
use super::{ending, lookup};

/// Ends a running job badly, and adds its automatic retry. Said again with the same reason, it answers the job as it
/// is; a job that the cluster ended stays ended by the cluster.
pub(super) fn fail<T: Table>(
    step: &mut Step<'_, T>,
    id: JobId,
    reason: Reason,
    details: &str,
    log: &Bytes,
) -> Result<Job, Abort<T::Error>> {
    check(details.len() <= limits::DETAILS_BYTES, "details")?;
    check(log.len() <= limits::LOG_BYTES, "log")?;
    let job = lookup::job(step, id)?;
    match job.state {
        State::Running { .. } => Ok(ending::end_in_error(step, job, reason, EndedBy::Client, details, log)?),
        State::Error { reason: first, by: EndedBy::Client, .. } if first == reason => Ok(job),
        State::Delayed { .. }
        | State::Queued { .. }
        | State::Success
        | State::Error { .. }
        | State::Cancelled { .. } => lookup::wrong_status(step, &job),
    }
}
