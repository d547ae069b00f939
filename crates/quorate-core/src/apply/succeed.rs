use bytes::Bytes;

use crate::{Job, JobId, State, Table, limits};

use super::step::{Abort, Step, check};
use super::{ending, lookup};

/// Ends a running job well. Said again, it answers the job as it is: the first log stays.
pub(super) fn succeed<T: Table>(
    step: &mut Step<'_, T>,
    id: JobId,
    log: &Bytes,
) -> Result<Job, Abort<T::Error>> {
    check(log.len() <= limits::LOG_BYTES, "log")?;
    let job = lookup::job(step, id)?;
    match job.state {
        State::Running { .. } => {
            step.table.dispatch_mut().heard(&job.worker);
            let ended = Job { state: State::Success, ..job.clone() };
            Ok(ending::end(step, &job, ended, log)?)
        }
        State::Success => Ok(job),
        State::Delayed { .. } | State::Queued { .. } | State::Error { .. } | State::Cancelled { .. } => {
            lookup::wrong_status(step, &job)
        }
    }
}
