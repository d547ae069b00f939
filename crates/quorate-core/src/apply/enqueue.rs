use std::collections::{BTreeMap, BTreeSet};

use crate::{
    ImageId, Job, NewJob, Priority, QueueName, Refusal, Reply, Table, Unique, Until, are_tags, limits, unique,
};

use super::step::{Abort, Step, check, refuse};
use super::{birth, lookup};

/// Adds jobs, all or none.
pub(super) fn enqueue<T: Table>(step: &mut Step<'_, T>, jobs: &[NewJob]) -> Result<Reply, Abort<T::Error>> {
    check((1..=limits::JOBS_PER_REQUEST).contains(&jobs.len()), "jobs")?;
    let mut ids = BTreeSet::new();
    for job in jobs {
        check_limits(job)?;
        // A retry may hold the payload of a job that was deleted.
        if !ids.insert(job.id) || step.table.job(job.id)?.is_some() || step.table.has_payload(job.id)? {
            return refuse(Refusal::IdTaken);
        }
    }
    check_room(step, jobs)?;
    // Nothing was written so far, and nothing is refused from here on.
    let (mut answered, mut duplicates) = (Vec::with_capacity(jobs.len()), Vec::new());
    for (new, place) in jobs.iter().zip(0..) {
        match holder(step, new)? {
            Some(job) => {
                duplicates.push(place);
                answered.push(job);
            }
            None => answered.push(birth::new_job(step, new)?),
        }
    }
    Ok(Reply::Enqueued { jobs: answered, duplicates })
}

/// The job that keeps a new one away.
fn holder<T: Table>(step: &mut Step<'_, T>, new: &NewJob) -> Result<Option<Job>, T::Error> {
    let Some(unique) = &new.unique else { return Ok(None) };
    let Some(queue) = step.table.dispatch().named(&new.queue) else { return Ok(None) };
    let Some(id) = step.table.unique(queue, &unique.key)? else { return Ok(None) };
    // Its deadline may have come, and its automatic retry holds the key in its place.
    lookup::current(step, id)?;
    let Some(id) = step.table.unique(queue, &unique.key)? else { return Ok(None) };
    Ok(step.table.job(id)?.filter(|job| unique::holds(job, step.now)))
}

/// How many of these lanes are of each key.
fn lanes_of_keys<'a>(
    lanes: &BTreeSet<(&'a QueueName, Priority, ImageId, &'a str)>,
) -> BTreeMap<(&'a QueueName, &'a str), usize> {
    let mut of_keys = BTreeMap::new();
    for (queue, _, _, key) in lanes {
        *of_keys.entry((*queue, *key)).or_default() += 1;
    }
    of_keys
}

/// Refuses jobs that would need more queues, or lanes to wait in, than there may be. What is delayed looks for a lane when its time has come:
/// that its key has none now says nothing of then. But where there are none at all, nothing new is taken.
fn check_room<T: Table>(step: &mut Step<'_, T>, jobs: &[NewJob]) -> Result<(), Abort<T::Error>> {
    let dispatch = step.table.dispatch();
    let new: BTreeSet<&QueueName> =
        jobs.iter().map(|job| &job.queue).filter(|name| dispatch.named(name).is_none()).collect();
    if dispatch.queue_count() + new.len() > limits::QUEUES && !new.is_empty() {
        return refuse(Refusal::TooManyQueues);
    }
    let have_room = |job: &NewJob| jobs.len() <= dispatch.free_lanes_of_key(&job.queue, &job.key);
    if jobs.len() <= dispatch.free_lanes() && jobs.iter().all(have_room) {
        return Ok(());
    }
    let (mut at_once, mut delayed) = (BTreeSet::new(), BTreeSet::new());
    for job in jobs {
        if !step.table.dispatch().has_lane_for(job) && holder(step, job)?.is_none() {
            if job.delay == 0 { &mut at_once } else { &mut delayed }.insert(job.lane());
        }
    }
    let dispatch = step.table.dispatch();
    for ((queue, key), lanes) in lanes_of_keys(&at_once) {
        if lanes > dispatch.free_lanes_of_key(queue, key) {
            // Where they could never wait all at once, no pause helps.
            check(lanes <= dispatch.most_lanes_of_key(), "key")?;
            return refuse(Refusal::TooManyLanes);
        }
    }
    if at_once.union(&delayed).count() > dispatch.free_lanes() {
        return refuse(Refusal::TooManyLanes);
    }
    Ok(())
}

fn check_limits<E>(job: &NewJob) -> Result<(), Abort<E>> {
    check((1..=limits::IMAGE_NAME_BYTES).contains(&job.image.len()), "image")?;
    check(job.key.len() <= limits::JOB_KEY_BYTES, "key")?;
    check(are_tags(&job.tags), "tags")?;
    let within = |unique: &Unique| {
        let seconds = match unique.until {
            Until::Started | Until::Finished => 1,
            Until::Elapsed(seconds) => seconds,
        };
        (1..=limits::UNIQUE_KEY_BYTES).contains(&unique.key.len())
            && (1..=limits::UNIQUE_SECONDS).contains(&seconds)
    };
    check(job.unique.as_ref().is_none_or(within), "unique")?;
    check(job.payload.len() <= limits::PAYLOAD_BYTES, "payload")?;
    check(job.delay <= limits::DELAY_SECONDS, "delay")?;
    check(job.timeout.is_none_or(|timeout| (1..=limits::TIMEOUT_SECONDS).contains(&timeout)), "timeout")?;
    check(job.max_retries.is_none_or(|retries| retries <= limits::MAX_RETRIES), "max_retries")?;
    check(job.retries_delay.is_none_or(|delay| delay <= limits::RETRIES_DELAY_SECONDS), "retries_delay")
}
