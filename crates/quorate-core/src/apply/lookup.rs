use crate::{Job, JobId, Refusal, State, Status, Table};

use super::ending;
use super::step::{Abort, Step, refuse};

/// The job that a command names. If it ran past its deadline it is timed out first, however far behind the bounded work of
/// `tick` is.
pub(super) fn job<T: Table>(step: &mut Step<'_, T>, id: JobId) -> Result<Job, Abort<T::Error>> {
    match current(step, id)? {
        Some(job) => Ok(job),
        None => refuse(Refusal::NoSuchJob),
    }
}

/// A job as [`job`] gives it, if there is one.
pub(super) fn current<T: Table>(step: &mut Step<'_, T>, id: JobId) -> Result<Option<Job>, T::Error> {
    match step.table.job(id)? {
        Some(job) if ending::has_timed_out(&job, step.now) => ending::time_out(step, job).map(Some),
        other => Ok(other),
    }
}

/// Refuses a command that the job's status does not allow. A delayed job that is due but still waits for `tick` counts as
/// queued; it is not moved here, so that jobs are queued in the order of their due times.
pub(super) fn wrong_status<V, T: Table>(step: &Step<'_, T>, job: &Job) -> Result<V, Abort<T::Error>> {
    let is_due = matches!(job.state, State::Delayed { due } if due <= step.now);
    let status = if is_due { Status::Queued } else { job.status() };
    refuse(Refusal::WrongStatus { status })
}
