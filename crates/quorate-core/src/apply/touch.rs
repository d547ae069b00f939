use crate::{Job, JobId, Reply, State, Table};

use super::lookup;
use super::step::{Abort, Step};

/// Gives a running job another `timeout` seconds from now.
pub(super) fn touch<T: Table>(step: &mut Step<'_, T>, id: JobId) -> Result<Reply, Abort<T::Error>> {
    let job = lookup::job(step, id)?;
    match job.state {
        State::Running { .. } => {
            let deadline = step.now.plus_seconds(job.timeout);
            let touched = Job { state: State::Running { deadline }, ..job.clone() };
            step.put_job(Some(&job), &touched)?;
            step.table.dispatch_mut().heard(&job.worker);
            Ok(Reply::Done)
        }
        State::Delayed { .. }
        | State::Queued { .. }
        | State::Success
        | State::Error { .. }
        | State::Cancelled { .. } => lookup::wrong_status(step, &job),
    }
}
