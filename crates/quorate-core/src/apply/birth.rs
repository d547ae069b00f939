use crate::Until;
use crate::id::mix;
use crate::{Image, Job, JobId, Lane, NewJob, Payload, Position, State, Table, Timestamp, limits};

use super::step::Step;

/// Adds a job that a client wants.
pub(super) fn new_job<T: Table>(step: &mut Step<'_, T>, new: &NewJob) -> Result<Job, T::Error> {
    let bytes = u32::try_from(new.payload.len()).expect("a payload within its limit");
    let number = step.table.next_seq();
    let queue = step.table.dispatch_mut().queue_or_new(&new.queue);
    let defaults = step.queue(queue).settings.clone();
    let or = |said: Option<u32>, of_queue: Option<u32>, default| said.or(of_queue).unwrap_or(default);
    let max_retries = or(new.max_retries, defaults.max_retries, limits::MAX_RETRIES_DEFAULT);
    let job = Job {
        id: new.id,
        number,
        queue,
        priority: new.priority,
        key: new.key.clone(),
        tags: new.tags.clone(),
        unique: new.unique.clone(),
        image: new.image.clone(),
        image_id: new.image_id,
        payload: Payload { owner: new.id, bytes },
        delay: new.delay,
        timeout: or(new.timeout, defaults.timeout, limits::TIMEOUT_SECONDS_DEFAULT),
        max_retries,
        all_retries: max_retries,
        attempt: 1,
        releases: 0,
        retries_delay: or(new.retries_delay, defaults.retries_delay, limits::RETRIES_DELAY_SECONDS_DEFAULT),
        created_at: step.now,
        started_at: None,
        worker: "".into(),
        completed_at: None,
        keep_until: None,
        state: waiting(step, number, u64::from(new.delay) * 1_000),
        log_bytes: 0,
        log_parts: 0,
        progress: None,
        retry_of: None,
        retry_id: None,
    };
    if !new.payload.is_empty() {
        step.table.put_payload(new.id, new.payload.clone())?;
    }
    add(step, job)
}

/// Adds the job that retries `job` because somebody wants it, at once; `anew`: with all automatic retries again. Linking the job to it is
/// the caller's part.
pub(super) fn retry<T: Table>(
    step: &mut Step<'_, T>,
    job: &Job,
    id: JobId,
    anew: bool,
) -> Result<Job, T::Error> {
    let max_retries = if anew { job.all_retries } else { job.max_retries };
    // It keeps nobody away: another job may have come meanwhile that does.
    let job = Job { unique: None, releases: 0, ..job.clone() };
    again(step, &job, id, Retry { max_retries, attempt: 1, delay_millis: 0 })
}

/// Adds the job that goes on from `job`, which its worker gives back. Linking the job to it is the caller's part.
pub(super) fn release<T: Table>(
    step: &mut Step<'_, T>,
    job: &Job,
    id: JobId,
    delay: u32,
) -> Result<Job, T::Error> {
    let what =
        Retry { max_retries: job.max_retries, attempt: job.attempt, delay_millis: u64::from(delay) * 1_000 };
    let job = Job { releases: job.releases.saturating_add(1), ..job.clone() };
    again(step, &job, id, what)
}

/// Queues a delayed job, at the tail of its lane.
pub(super) fn queue_now<T: Table>(step: &mut Step<'_, T>, job: &Job) -> Result<Job, T::Error> {
    let queued = Job { state: State::Queued { seq: step.table.next_seq(), since: step.now }, ..job.clone() };
    step.put_job(Some(job), &queued)?;
    Ok(queued)
}

/// The id of the job that goes on from another one, where no client's request brings one.
pub(super) fn id_of_successor<T: Table>(step: &Step<'_, T>, job: JobId) -> JobId {
    id_of_automatic_retry(job, step.at, step.now)
}

/// Adds the automatic retry of a job that is about to end in error and has one left. Linking the job to it is the caller's
/// part.
pub(super) fn automatic_retry<T: Table>(step: &mut Step<'_, T>, job: &Job) -> Result<Job, T::Error> {
    let left = job.max_retries.checked_sub(1).expect("a job that has an automatic retry left");
    let backoff = &step.queue(job.queue).settings.backoff;
    let delay_millis = backoff.delay_millis(job.id, job.attempt, job.retries_delay);
    let id = id_of_automatic_retry(job.id, step.at, step.now);
    let attempt = job.attempt.saturating_add(1);
    again(step, job, id, Retry { max_retries: left, attempt, delay_millis })
}

/// What is new of a job that retries another.
struct Retry {
    max_retries: u32,
    attempt: u32,
    delay_millis: u64,
}

/// Adds a job that retries `job`. It shares the payload. Where it finds no lane it is delayed: nothing that was taken is refused.
fn again<T: Table>(step: &mut Step<'_, T>, job: &Job, id: JobId, what: Retry) -> Result<Job, T::Error> {
    let number = step.table.next_seq();
    let delay_millis = match what.delay_millis {
        0 if !step.table.dispatch().has_room(&Lane::of(job)) => limits::LANE_MILLIS,
        millis => millis,
    };
    let retry = Job {
        id,
        number,
        delay: 0,
        // Who keeps others away until it has finished has not.
        unique: job.unique.clone().filter(|unique| unique.until == Until::Finished),
        max_retries: what.max_retries,
        attempt: what.attempt,
        created_at: step.now,
        started_at: None,
        worker: "".into(),
        completed_at: None,
        keep_until: None,
        state: waiting(step, number, delay_millis),
        log_bytes: 0,
        log_parts: 0,
        progress: None,
        retry_of: Some(job.id),
        retry_id: None,
        ..job.clone()
    };
    add(step, retry)
}

fn add<T: Table>(step: &mut Step<'_, T>, job: Job) -> Result<Job, T::Error> {
    step.put_job(None, &job)?;
    name_image(step, &job)?;
    Ok(job)
}

/// Where a new job with this number starts. Lists find a queued job in its lane where its place is its number, so that it costs
/// no row more; of lanes with such jobs there are few enough to be looked into one by one.
fn waiting<T: Table>(step: &mut Step<'_, T>, number: u64, delay_millis: u64) -> State {
    if delay_millis > 0 {
        return State::Delayed { due: step.now.plus_millis(delay_millis) };
    }
    let few = step.table.dispatch().lane_count() <= limits::LANES_IN_LISTS;
    State::Queued { seq: if few { number } else { step.table.next_seq() }, since: step.now }
}

/// The id of the automatic retry of a job: the same on every replica, and a UUIDv7 of log time like every other.
/// A job is retried automatically at most once, so that its own id, spread over the random bits, makes it unique.
fn id_of_automatic_retry(job: JobId, at: Position, now: Timestamp) -> JobId {
    let bits = u128::from_be_bytes(job.0);
    let [high, low] = [(bits >> 64) as u64, bits as u64];
    let high = mix(high ^ mix(at.index));
    let low = mix(low ^ mix(high ^ u64::from(at.offset)));
    JobId::v7(now, high, low, job.0[JobId::GROUP_BYTE])
}

/// Notes that a new job names its image.
fn name_image<T: Table>(step: &mut Step<'_, T>, job: &Job) -> Result<(), T::Error> {
    let before = step.table.image(job.image_id)?;
    let created_at = match &before {
        Some(image) if step.now < image.named_at.plus_millis(limits::IMAGE_RENEWAL_MILLIS) => return Ok(()),
        Some(image) => image.created_at,
        None => step.now,
    };
    let after = Image { id: job.image_id, name: job.image.clone(), created_at, named_at: step.now };
    step.table.put_image(before.as_ref(), &after)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_of_automatic_retries_are_uuids_of_version_7() {
        let of = JobId([0xff; 16]);
        let at = Position { index: 5, offset: 1 };
        let id = id_of_automatic_retry(of, at, Timestamp(0x0123_4567_89ab)).to_string();
        assert!(id.starts_with("01234567-89ab-7"), "{id}");
        assert!(matches!(&id[19..20], "8" | "9" | "a" | "b"), "{id}");
        // For ever: replicas of different versions must agree.
        assert_eq!(id, "01234567-89ab-753c-952c-9c478af578ff");
    }

    #[test]
    fn ids_of_automatic_retries_differ() {
        let at = Position { index: 5, offset: 0 };
        let mut ids = BTreeSet::new();
        for number in 0..10_000_u128 {
            // Predecessors that differ in their highest or in their lowest bits, in the same entry.
            for of in [number, number << 112] {
                ids.insert(id_of_automatic_retry(JobId(of.to_be_bytes()), at, Timestamp(1)));
            }
        }
        assert_eq!(ids.len(), 19_999, "0 is among both");
    }
}
