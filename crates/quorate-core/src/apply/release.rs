use bytes::Bytes;

use crate::{EndedBy, Job, JobId, Reason, Refusal, Reply, State, Table, limits};

use super::step::{Abort, Step, check, refuse};
use super::{birth, ending, lookup};

/// Gives a running job back. Its id was granted, and is not granted again: it is called off, and a new job goes on from it. Said again,
/// it answers that one.
pub(super) fn release<T: Table>(
    step: &mut Step<'_, T>,
    id: JobId,
    new_id: JobId,
    delay: u32,
) -> Result<Reply, Abort<T::Error>> {
    check(delay <= limits::DELAY_SECONDS, "delay")?;
    let job = lookup::job(step, id)?;
    match job.state {
        State::Running { .. } => {}
        State::Cancelled { .. } => match released_as(step, &job)? {
            Some(next) => return Ok(Reply::Job(Box::new(next))),
            None => return lookup::wrong_status(step, &job),
        },
        State::Delayed { .. } | State::Queued { .. } | State::Success | State::Error { .. } => {
            return lookup::wrong_status(step, &job);
        }
    }
    if job.releases >= limits::RELEASES {
        return refuse(Refusal::ReleasedTooOften);
    }
    if step.table.job(new_id)?.is_some() || step.table.has_payload(new_id)? {
        return refuse(Refusal::IdTaken);
    }
    step.table.dispatch_mut().heard(&job.worker);
    let next = give_back(step, &job, new_id, delay, "given back by its worker")?;
    Ok(Reply::Job(Box::new(next)))
}

/// Gives back what a worker holds that is no more.
pub(super) fn worker_gone<T: Table>(step: &mut Step<'_, T>, worker: &str) -> Result<Reply, Abort<T::Error>> {
    check((1..=limits::WORKER_NAME_BYTES).contains(&worker.len()), "worker")?;
    let held = step.table.dispatch().worker(worker).map(|worker| worker.jobs.iter());
    let held: Vec<JobId> = held.into_iter().flatten().take(limits::JOBS_PER_REQUEST).copied().collect();
    let mut given_back = Vec::new();
    for id in held {
        let Some(job) = lookup::current(step, id)? else { continue };
        if !matches!(job.state, State::Running { .. }) {
            continue; // its deadline came
        }
        if job.releases >= limits::RELEASES {
            ending::end_in_error(
                step,
                job,
                Reason::Killed,
                EndedBy::Cluster,
                "its worker is gone",
                &Bytes::new(),
            )?;
            continue;
        }
        let new_id = birth::id_of_successor(step, id);
        given_back.push(give_back(step, &job, new_id, 0, "its worker is gone")?);
    }
    Ok(Reply::Jobs(given_back))
}

/// The job that goes on from one that was given back.
fn released_as<T: Table>(step: &mut Step<'_, T>, job: &Job) -> Result<Option<Job>, T::Error> {
    let Some(next) = job.retry_id else { return Ok(None) };
    Ok(lookup::current(step, next)?.filter(|next| next.releases == job.releases + 1))
}

fn give_back<T: Table>(
    step: &mut Step<'_, T>,
    job: &Job,
    new_id: JobId,
    delay: u32,
    details: &str,
) -> Result<Job, T::Error> {
    let next = birth::release(step, job, new_id, delay)?;
    let state = State::Cancelled { details: details.into(), released: true };
    let ended = Job { state, retry_id: Some(next.id), ..job.clone() };
    ending::end(step, job, ended, &Bytes::new())?;
    Ok(next)
}
