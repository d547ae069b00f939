use std::collections::{BTreeMap, BTreeSet};

use crate::{
    ImageId, Job, NewJob, Priority, QueueName, Refusal, Reply, Table, Unique, Until, are_tags, limits, unique,
};

use super::step::{Abort, Step, check, refuse};
use super::{birth, lookup};

/// Adds jobs, all or none.
pub(super) fn enqueue<T: Table>(step: &mut Step<'_, T>, jobs: &[NewJob]) -> Result<Reply, Abort<T::Error>> {
    check((1..=limits::JOBS_PER_REQUEST).contains(&jobs.len()), "jobs")?;
    check_keys(jobs, step.table.dispatch().most_lanes_of_key())?;
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

/// Refuses jobs that could never wait all at once, as one key of theirs would need so many lanes.
fn check_keys<E>(jobs: &[NewJob], most: usize) -> Result<(), Abort<E>> {
    if jobs.len() <= most {
        return Ok(());
    }
    let of_a_key = jobs.iter().filter(|job| needs_lane(job) && !job.key.is_empty());
    let lanes = of_a_key.map(NewJob::lane).collect();
    check(lanes_of_keys(&lanes).values().all(|lanes| *lanes <= most), "key")
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

/// What is delayed looks for one when its time has come.
fn needs_lane(job: &NewJob) -> bool {
    job.delay == 0
}

/// Refuses jobs that would need more queues, or lanes to wait in, than there may be.
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
    let mut new = BTreeSet::new();
    for job in jobs.iter().filter(|job| needs_lane(job)) {
        if !step.table.dispatch().has_lane_for(job) && holder(step, job)?.is_none() {
            new.insert(job.lane());
        }
    }
    let of_keys = lanes_of_keys(&new);
    let dispatch = step.table.dispatch();
    let fits =
        |((queue, key), lanes): ((&QueueName, &str), usize)| lanes <= dispatch.free_lanes_of_key(queue, key);
    if new.len() <= dispatch.free_lanes() && of_keys.into_iter().all(fits) {
        Ok(())
    } else {
        refuse(Refusal::TooManyLanes)
    }
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
