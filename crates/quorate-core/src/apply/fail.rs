use bytes::Bytes;

use crate::{EndedBy, Failure, Job, JobId, State, Table, limits};

use super::step::{Abort, Step, check};
use super::{ending, lookup};

/// Ends a running job badly, and adds its automatic retry. Said again with the same reason, it answers the job as it
/// is; a job that the cluster ended stays ended by the cluster.
pub(super) fn fail<T: Table>(
    step: &mut Step<'_, T>,
    id: JobId,
    failure: &Failure,
    log: &Bytes,
) -> Result<Job, Abort<T::Error>> {
    let Failure { reason, details, for_good } = failure;
    check(details.len() <= limits::DETAILS_BYTES, "details")?;
    check(log.len() <= limits::LOG_BYTES, "log")?;
    let job = lookup::job(step, id)?;
    match job.state {
        State::Running { .. } => {
            step.table.dispatch_mut().heard(&job.worker);
            // One that is not retried automatically may be at once by hand.
            let before = job.clone();
            let max_retries = if *for_good { 0 } else { job.max_retries };
            let job = Job { max_retries, ..job };
            Ok(ending::fail(step, &before, job, (*reason, EndedBy::Client, details), log)?)
        }
        State::Error { reason: first, by: EndedBy::Client, .. } if first == *reason => Ok(job),
        State::Delayed { .. }
        | State::Queued { .. }
        | State::Success
        | State::Error { .. }
        | State::Cancelled { .. } => lookup::wrong_status(step, &job),
    }
}
