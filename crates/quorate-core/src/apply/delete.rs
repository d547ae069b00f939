use crate::{JobId, Reply, Table};

use super::lookup;
use super::step::{Abort, Step};

/// Removes a finished job with its log, for good.
pub(super) fn delete<T: Table>(step: &mut Step<'_, T>, id: JobId) -> Result<Reply, Abort<T::Error>> {
    let job = lookup::job(step, id)?;
    if !job.status().is_final() {
        return lookup::wrong_status(step, &job);
    }
    step.delete_job(&job)?;
    Ok(Reply::Done)
}
