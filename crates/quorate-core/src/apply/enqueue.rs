use std::collections::{BTreeMap, BTreeSet};

use crate::{Job, NewJob, QueueName, Refusal, Reply, Table, Unique, Until, are_tags, limits, unique};

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

/// Refuses jobs that would need more queues, or lanes to wait in, than there may be. What is delayed looks for a lane when its time has come:
/// how few there are now says nothing of then. But where none is free at all, nothing is taken that would need one.
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
    let (mut unique, mut at_once, mut delayed) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for job in jobs {
        // What an earlier one of the request keeps away is not added either.
        let is_first = job.unique.as_ref().is_none_or(|of| unique.insert((&job.queue, &of.key)));
        if is_first && holder(step, job)?.is_none() {
            if job.delay == 0 { &mut at_once } else { &mut delayed }.insert(job.lane());
        }
    }
    let dispatch = step.table.dispatch();
    let mut of_keys = BTreeMap::<_, (usize, usize)>::new();
    for lane in &at_once {
        let (queue, _, _, key) = *lane;
        let (all, new) = of_keys.entry((queue, key)).or_default();
        *all += 1;
        *new += usize::from(!dispatch.has_lane(lane));
    }
    for ((queue, key), (all, new)) in &of_keys {
        if *new > dispatch.free_lanes_of_key(queue, key) {
            // Where they could never wait all at once, no pause helps.
            check(*all <= dispatch.most_lanes_of_key(), "key")?;
            return refuse(Refusal::TooManyLanes);
        }
    }
    let (new, free) = (of_keys.values().map(|(_, new)| new).sum::<usize>(), dispatch.free_lanes());
    if new > free || free == 0 && !delayed.iter().all(|lane| dispatch.has_lane(lane)) {
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
