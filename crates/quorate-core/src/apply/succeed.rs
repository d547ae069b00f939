use bytes::Bytes;

use crate::{Job, JobId, Reply, State, Table, limits};

use super::step::{Abort, Step, check};
use super::{ending, lookup};

/// Ends a running job well. Said again, it answers the job as it is: the first log stays.
pub(super) fn succeed<T: Table>(
    step: &mut Step<'_, T>,
    id: JobId,
    log: &Bytes,
) -> Result<Reply, Abort<T::Error>> {
    check(log.len() <= limits::LOG_BYTES, "log")?;
    let job = lookup::job(step, id)?;
    match job.state {
        State::Running { .. } => {
            let ended = Job { state: State::Success, ..job.clone() };
            let ended = ending::end(step, &job, ended, log)?;
            Ok(Reply::Job(Box::new(ended)))
        }
        State::Success => Ok(Reply::Job(Box::new(job))),
        State::Delayed { .. } | State::Queued { .. } | State::Error { .. } | State::Cancelled { .. } => {
            lookup::wrong_status(step, &job)
        }
    }
}
