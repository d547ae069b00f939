use std::collections::BTreeSet;

use crate::{Job, NewJob, Payload, Refusal, Reply, State, Table, Timestamp, limits};

use super::image;
use super::step::{Step, Stop, check, refuse};

/// Adds jobs, all or none.
pub(super) fn enqueue<T: Table>(step: &mut Step<'_, T>, jobs: &[NewJob]) -> Result<Reply, Stop<T::Error>> {
    check((1..=limits::JOBS_PER_REQUEST).contains(&jobs.len()), "jobs")?;
    let mut ids = BTreeSet::new();
    for job in jobs {
        check_limits(job)?;
        if !ids.insert(job.id) || step.table.job(job.id)?.is_some() {
            return refuse(Refusal::IdTaken);
        }
    }
    // Nothing was written so far, and nothing is refused from here on.
    let mut added = Vec::with_capacity(jobs.len());
    for new in jobs {
        let job = record(step, new);
        if !new.payload.is_empty() {
            step.table.put_payload(new.id, new.payload.clone())?;
        }
        step.table.put_job(None, &job)?;
        image::name(step, &job)?;
        added.push(job);
    }
    Ok(Reply::Jobs(added))
}

fn check_limits<E>(job: &NewJob) -> Result<(), Stop<E>> {
    check((1..=limits::IMAGE_NAME_BYTES).contains(&job.image.len()), "image")?;
    check(job.payload.len() <= limits::PAYLOAD_BYTES, "payload")?;
    check(job.delay <= limits::DELAY_SECONDS, "delay")?;
    check((1..=limits::TIMEOUT_SECONDS).contains(&job.timeout), "timeout")?;
    check(job.max_retries <= limits::MAX_RETRIES, "max_retries")?;
    check(job.retries_delay <= limits::RETRIES_DELAY_SECONDS, "retries_delay")
}

/// The record of a new job, in its place.
fn record<T: Table>(step: &mut Step<'_, T>, new: &NewJob) -> Job {
    let bytes = u32::try_from(new.payload.len()).expect("a payload within its limit");
    let number = step.table.next_seq();
    Job {
        id: new.id,
        number,
        queue: new.queue,
        priority: new.priority,
        image: new.image.clone(),
        image_id: new.image_id,
        payload: Payload { owner: new.id, bytes },
        delay: new.delay,
        timeout: new.timeout,
        max_retries: new.max_retries,
        retries_delay: new.retries_delay,
        created_at: step.now,
        started_at: None,
        completed_at: None,
        state: waiting(step.now, number, new.delay),
        log_bytes: 0,
        retry_of: None,
        retry_id: None,
    }
}

/// Where a new job with this number starts, that waits for `delay` seconds.
pub(super) fn waiting(now: Timestamp, number: u64, delay: u32) -> State {
    if delay == 0 { State::Queued { seq: number } } else { State::Delayed { due: now.plus_seconds(delay) } }
}
