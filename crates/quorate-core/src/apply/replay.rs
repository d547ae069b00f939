use crate::{Command, Job, Outcome, Refusal, Remembered, Reply, Table};

use super::lookup;
use super::step::Step;

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
        Reply::Jobs(jobs) => Remembered::Released(ids(jobs)),
        Reply::Enqueued { jobs, duplicates } => {
            Remembered::Enqueued { jobs: ids(jobs), duplicates: duplicates.clone() }
        }
        Reply::Finished { ended, taken } => Remembered::Finished {
            ended: ended
                .iter()
                .map(|ended| ended.as_ref().map(|job| job.id).map_err(Refusal::clone))
                .collect(),
            taken: ids(taken),
        },
        Reply::Job(job) => Remembered::Job(job.id),
        Reply::Operation(id) => Remembered::Operation(*id),
        Reply::Done => Remembered::Done,
    }
}

/// Gives an answer again, with the jobs as they are now.
pub(super) fn render<T: Table>(step: &mut Step<'_, T>, first: &Remembered) -> Result<Outcome, T::Error> {
    let mut jobs = Vec::new();
    for id in first.ids() {
        jobs.extend(lookup::current(step, id)?);
    }
    Ok(first.render(jobs))
}
