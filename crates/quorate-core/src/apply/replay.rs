use crate::{Command, Job, JobId, Outcome, Remembered, Reply, State, Table};

use super::lookup;
use super::step::{Abort, Step, refuse};

/// What is kept of an answer.
pub(super) fn remembered(command: &Command, outcome: &Outcome) -> Remembered {
    match outcome {
        Ok(reply) => remembered_reply(command, reply),
        Err(refusal) => Remembered::Refused(refusal.clone()),
    }
}

/// What is kept of a reply.
pub(super) fn remembered_reply(command: &Command, reply: &Reply) -> Remembered {
    let ids = |jobs: &[Job]| jobs.iter().map(|job| job.id).collect();
    match reply {
        Reply::Jobs(jobs) if matches!(command, Command::Consume { .. }) => Remembered::Consumed(ids(jobs)),
        Reply::Jobs(jobs) => Remembered::Enqueued(ids(jobs)),
        Reply::Job(job) => Remembered::Job(job.id),
        Reply::Done => Remembered::Done,
    }
}

/// Gives an answer again, with the jobs as they are now: those that were deleted are left out, and of those granted
/// to a consumer the ones that it no longer has.
pub(super) fn render<T: Table>(step: &mut Step<'_, T>, first: &Remembered) -> Result<Reply, Abort<T::Error>> {
    match first {
        Remembered::Enqueued(ids) => Ok(Reply::Jobs(existing(step, ids)?)),
        Remembered::Consumed(ids) => {
            let mut jobs = existing(step, ids)?;
            jobs.retain(|job| matches!(job.state, State::Running { .. }));
            Ok(Reply::Jobs(jobs))
        }
        Remembered::Job(id) => Ok(Reply::Job(Box::new(lookup::job(step, *id)?))),
        Remembered::Done => Ok(Reply::Done),
        Remembered::Refused(refusal) => refuse(refusal.clone()),
    }
}

fn existing<T: Table>(step: &mut Step<'_, T>, ids: &[JobId]) -> Result<Vec<Job>, T::Error> {
    let mut jobs = Vec::with_capacity(ids.len());
    for id in ids {
        jobs.extend(lookup::current(step, *id)?);
    }
    Ok(jobs)
}
