use crate::{Job, JobId, Lane, Refusal, Reply, Selection, State, Table, limits};

use super::step::{Abort, Step, refuse};
use super::{birth, lookup};

/// Enqueues a finished job again, as a new job with the same number of automatic retries, or with all again. While one that goes on from
/// it is active, answers that one: it is queued now, if it waits for its time.
pub(super) fn retry<T: Table>(
    step: &mut Step<'_, T>,
    id: JobId,
    new_id: JobId,
    anew: bool,
) -> Result<Reply, Abort<T::Error>> {
    let job = lookup::job(step, id)?;
    if !job.status().is_final() {
        return lookup::wrong_status(step, &job);
    }
    let went_on_by_itself = match job.state {
        State::Error { .. } => job.max_retries > 0,
        State::Cancelled { released, .. } => released,
        State::Delayed { .. } | State::Queued { .. } | State::Running { .. } | State::Success => false,
    };
    match latest(step, &job)? {
        Some(latest) if matches!(latest.state, State::Delayed { .. }) => {
            check_room(step.table.dispatch().has_room_for_new(&Lane::of(&latest)))?;
            queue_now(step, &latest)
        }
        Some(latest) if !latest.status().is_final() => Ok(Reply::Job(Box::new(latest))),
        Some(latest) if went_on_by_itself || job.retry_id != Some(latest.id) => {
            refuse(Refusal::RetriedAutomatically)
        }
        Some(_) | None => {
            check_room(step.table.dispatch().has_room_for_new(&Lane::of(&job)))?;
            again(step, &job, new_id, anew)
        }
    }
}

/// The same of one of many jobs, with all automatic retries again, which may have come to this one before: only where no other job goes
/// on from it, or one that waits for its time. Where the other one is gone, a job that was named is retried again; one that fits a
/// filter is not, as the other one may have done its work. Where only its key has no lane, the many do not wait for it: a new job waits for
/// one, and one that waits for its time is left so.
pub(super) fn retry_first<T: Table>(
    step: &mut Step<'_, T>,
    selection: &Selection,
    job: &Job,
) -> Result<Reply, Abort<T::Error>> {
    let may_repeat = match selection {
        Selection::Filter(_) => false,
        Selection::Ids(_) => true,
    };
    let next = match job.retry_id {
        // What goes on behind that is among the many itself, or was not named.
        Some(next) => lookup::current(step, next)?,
        None => None,
    };
    match next {
        Some(next) if matches!(next.state, State::Delayed { .. }) => {
            let lane = Lane::of(&next);
            check_room(step.table.dispatch().has_room_but_of_key(&lane))?;
            match step.table.dispatch().has_room_for_new(&lane) {
                true => queue_now(step, &next),
                false => lookup::wrong_status(step, job),
            }
        }
        None if may_repeat || job.retry_id.is_none() => {
            check_room(step.table.dispatch().has_room_but_of_key(&Lane::of(job)))?;
            again(step, job, birth::id_of_successor(step, job.id), true)
        }
        Some(_) | None => lookup::wrong_status(step, job),
    }
}

/// The latest job that goes on from this one, as far as they are still there: its retry, and what nobody asked for behind that.
fn latest<T: Table>(step: &mut Step<'_, T>, job: &Job) -> Result<Option<Job>, T::Error> {
    let mut next = job.retry_id;
    let mut latest: Option<Job> = None;
    for _ in 0..limits::JOBS_THAT_GO_ON {
        let Some(id) = next else { break };
        match lookup::current(step, id)? {
            Some(job) if latest.is_none() || !job.was_asked_for() => {
                next = job.retry_id;
                latest = Some(job);
            }
            Some(_) | None => break,
        }
    }
    Ok(latest)
}

/// Has a job not wait for its time.
fn queue_now<T: Table>(step: &mut Step<'_, T>, job: &Job) -> Result<Reply, Abort<T::Error>> {
    Ok(Reply::Job(Box::new(birth::queue_now(step, job)?)))
}

/// Adds the new job.
fn again<T: Table>(
    step: &mut Step<'_, T>,
    job: &Job,
    new_id: JobId,
    anew: bool,
) -> Result<Reply, Abort<T::Error>> {
    // It may hold the payload of a job that was deleted.
    if step.table.job(new_id)?.is_some() || step.table.has_payload(new_id)? {
        return refuse(Refusal::IdTaken);
    }
    let retry = birth::retry(step, job, new_id, anew)?;
    let linked = Job { retry_id: Some(new_id), ..job.clone() };
    step.put_job(Some(job), &linked)?;
    Ok(Reply::Job(Box::new(retry)))
}

/// Refuses where a job would wait in a lane too many.
fn check_room<E>(has_room: bool) -> Result<(), Abort<E>> {
    if has_room { Ok(()) } else { refuse(Refusal::TooManyLanes) }
}
