use crate::{Effect, Envelope, Job, Lane, Settings, State, Table, Timestamp, limits};

use super::step::Step;
use super::{birth, ending, key};

/// Does what is due before these commands, a bounded part of it: timers first, because jobs wait for them, then the
/// removal of what has outlived its time.
pub(super) fn tick<T: Table>(step: &mut Step<'_, T>, commands: &[Envelope]) -> Result<(), T::Error> {
    let added: usize = commands.iter().map(|envelope| envelope.command.may_add()).sum();
    for _ in 0..limits::DUE_PER_BATCH + limits::DUE_PER_ADDED * added {
        if !(next_timer(step)?
            || next_finished(step)?
            || next_kept(step)?
            || next_key(step)?
            || next_image(step)?)
        {
            break;
        }
    }
    for effect in &mut step.effects {
        if let Effect::Job(change) = effect {
            change.by_time = true;
        }
    }
    Ok(())
}

/// The log time at which a batch finds something due that this table holds; in the past where work was left over.
/// `None` when there is nothing that time alone changes.
///
/// # Errors
/// The storage failed.
pub fn next_due_at<T: Table>(table: &mut T) -> Result<Option<Timestamp>, T::Error> {
    let settings = table.settings();
    let ever = Timestamp(u64::MAX);
    let timer = next_timer_at(table)?;
    let finished = table.next_outlived(ever)?.and_then(|job| job.completed_at);
    let kept = table.next_kept(ever)?.and_then(|job| job.keep_until);
    let image = table.next_unnamed_image(ever)?.map(|image| image.named_at);
    let too_many_keys = table.key_count() > limits::IDEMPOTENCY_KEYS;
    let key =
        table.oldest_key()?.map(|key| if too_many_keys { Timestamp::ZERO } else { key::expires_at(&key) });
    Ok([
        timer,
        table.dispatch().next_refill(),
        kept,
        finished.map(|ended| ended.plus_millis(retention_millis(settings))),
        key,
        image.map(|named| named.plus_millis(image_millis(settings))),
    ]
    .into_iter()
    .flatten()
    .min())
}

/// The log time at which the next delay or timeout ends; `None` when no job is delayed or running.
///
/// # Errors
/// The storage failed.
pub fn next_timer_at<T: Table>(table: &mut T) -> Result<Option<Timestamp>, T::Error> {
    Ok(table.next_due(Timestamp(u64::MAX))?.and_then(|job| job.state.timer()))
}

/// Carries the earliest timer out. False when none is due.
fn next_timer<T: Table>(step: &mut Step<'_, T>) -> Result<bool, T::Error> {
    match step.table.next_due(step.now)? {
        Some(job) => fire(step, job).map(|()| true),
        None => Ok(false),
    }
}

/// Carries the timer of a job out whose time has come.
fn fire<T: Table>(step: &mut Step<'_, T>, job: Job) -> Result<(), T::Error> {
    match job.state {
        State::Delayed { .. } if step.table.dispatch().has_room(&Lane::of(&job)) => {
            birth::queue_now(step, &job).map(drop)
        }
        State::Delayed { .. } => {
            let state = State::Delayed { due: step.now.plus_millis(limits::LANE_MILLIS) };
            step.put_job(Some(&job), &Job { state, ..job.clone() })
        }
        State::Running { .. } => ending::time_out(step, job).map(drop),
        State::Queued { .. } | State::Success | State::Error { .. } | State::Cancelled { .. } => {
            panic!(
                "the timer of job {} stands although it is {}: the index is broken",
                job.id,
                job.status().as_str()
            )
        }
    }
}

/// Removes the finished job that has outlived the cluster's retention longest. False when none has.
fn next_finished<T: Table>(step: &mut Step<'_, T>) -> Result<bool, T::Error> {
    let Some(until) = step.now.checked_minus_millis(retention_millis(step.table.settings())) else {
        return Ok(false);
    };
    match step.table.next_outlived(until)? {
        Some(job) => step.delete_job(&job).map(|()| true),
        None => Ok(false),
    }
}

/// Removes the finished job that has outlived its queue's retention longest. False when none has.
fn next_kept<T: Table>(step: &mut Step<'_, T>) -> Result<bool, T::Error> {
    match step.table.next_kept(step.now)? {
        Some(job) => step.delete_job(&job).map(|()| true),
        None => Ok(false),
    }
}

/// Forgets the oldest Idempotency-Key that is expired or one too many. False when there is none.
fn next_key<T: Table>(step: &mut Step<'_, T>) -> Result<bool, T::Error> {
    let too_many = step.table.key_count() > limits::IDEMPOTENCY_KEYS;
    match step.table.oldest_key()? {
        Some(key) if too_many || key::expires_at(&key) <= step.now => {
            step.table.delete_key(&key).map(|()| true)
        }
        _ => Ok(false),
    }
}

/// Removes the image that no job has named for the longest time. False when all were named within the retention.
fn next_image<T: Table>(step: &mut Step<'_, T>) -> Result<bool, T::Error> {
    let Some(until) = step.now.checked_minus_millis(image_millis(step.table.settings())) else {
        return Ok(false);
    };
    match step.table.next_unnamed_image(until)? {
        Some(image) => step.table.delete_image(&image).map(|()| true),
        None => Ok(false),
    }
}

fn retention_millis(settings: Settings) -> u64 {
    settings.retention.saturating_mul(1_000)
}

/// The retention, and what `named_at` may be behind the last naming.
fn image_millis(settings: Settings) -> u64 {
    retention_millis(settings).saturating_add(limits::IMAGE_RENEWAL_MILLIS)
}
