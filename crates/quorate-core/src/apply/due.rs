use bytes::Bytes;

use crate::{EndedBy, Job, Reason, State, Table, Timestamp};

use super::{fail, step::Step};

/// True for a running job whose deadline has come.
pub(super) fn has_timed_out(job: &Job, now: Timestamp) -> bool {
    matches!(job.state, State::Running { deadline } if deadline <= now)
}

/// Carries the timer of a job out whose time has come.
pub(super) fn fire<T: Table>(step: &mut Step<'_, T>, job: Job) -> Result<(), T::Error> {
    match job.state {
        State::Delayed { .. } => release(step, &job),
        State::Running { .. } => time_out(step, job).map(drop),
        State::Queued { .. } | State::Success | State::Error { .. } | State::Cancelled { .. } => {
            panic!(
                "the timer of job {} stands although it is {}: the index is broken",
                job.id,
                job.status().as_str()
            )
        }
    }
}

/// Queues a delayed job, at the tail of its lane.
fn release<T: Table>(step: &mut Step<'_, T>, job: &Job) -> Result<(), T::Error> {
    let queued = Job { state: State::Queued { seq: step.table.next_seq() }, ..job.clone() };
    step.table.put_job(Some(job), &queued)
}

/// Ends a running job by its deadline.
pub(super) fn time_out<T: Table>(step: &mut Step<'_, T>, job: Job) -> Result<Job, T::Error> {
    fail::end_in_error(step, job, Reason::Timeout, EndedBy::Cluster, "", &Bytes::new())
}
