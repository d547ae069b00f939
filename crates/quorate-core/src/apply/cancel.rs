use bytes::Bytes;

use crate::{Job, JobId, Reply, State, Table, limits};

use super::step::{Abort, Step, check};
use super::{ending, lookup};

/// Calls a job off that has not finished.
pub(super) fn cancel<T: Table>(
    step: &mut Step<'_, T>,
    id: JobId,
    details: &str,
) -> Result<Reply, Abort<T::Error>> {
    check(details.len() <= limits::DETAILS_BYTES, "details")?;
    let job = lookup::job(step, id)?;
    if job.status().is_final() {
        return lookup::wrong_status(step, &job);
    }
    let state = State::Cancelled { details: details.into(), released: false };
    let cancelled = Job { state, ..job.clone() };
    let cancelled = ending::end(step, &job, cancelled, &Bytes::new())?;
    Ok(Reply::Job(Box::new(cancelled)))
}
