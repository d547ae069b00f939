use crate::{Job, JobId, Progress, Reply, State, Table, limits};

use super::lookup;
use super::step::{Abort, Step, check};

/// Gives a running job another `timeout` seconds from now.
pub(super) fn touch<T: Table>(
    step: &mut Step<'_, T>,
    id: JobId,
    progress: Option<&Progress>,
) -> Result<Reply, Abort<T::Error>> {
    let within =
        |progress: &Progress| progress.percent <= 100 && progress.text.len() <= limits::PROGRESS_BYTES;
    check(progress.is_none_or(within), "progress")?;
    let job = lookup::job(step, id)?;
    match job.state {
        State::Running { .. } => {
            let deadline = step.now.plus_seconds(job.timeout);
            let progress = progress.cloned().or_else(|| job.progress.clone());
            let touched = Job { state: State::Running { deadline }, progress, ..job.clone() };
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
