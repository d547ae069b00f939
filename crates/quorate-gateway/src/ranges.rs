//! The whole numbers that requests may have.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use quorate_core::limits;

use crate::error::ApiError;
use crate::limits::WAIT_SECONDS;

/// What is allowed in the field or parameter of this name; `None` for one that is no number.
pub(crate) fn of(name: &str) -> Option<RangeInclusive<u64>> {
    Some(match name {
        "n" => 1..=limits::JOBS_PER_REQUEST as u64,
        "take" => 0..=limits::JOBS_PER_REQUEST as u64,
        "wait" => 0..=WAIT_SECONDS.into(),
        "delay" => 0..=limits::DELAY_SECONDS.into(),
        "timeout" => 1..=limits::TIMEOUT_SECONDS.into(),
        "priority" => 0..=2,
        "max_retries" => 0..=limits::MAX_RETRIES.into(),
        "retries_delay" => 0..=limits::RETRIES_DELAY_SECONDS.into(),
        "retention" | "success_retention" | "error_retention" => limits::RETENTION_SECONDS,
        "unique_for" => 1..=limits::UNIQUE_SECONDS.into(),
        "percent" => 0..=100,
        "offset" => 0..=limits::LOG_BYTES as u64,
        "cap" => 1..=limits::RETRIES_DELAY_SECONDS.into(),
        "jitter" => 0..=100,
        "max_running" | "max_running_per_key" => 1..=limits::MAX_RUNNING.into(),
        "rate.jobs" => 1..=limits::RATE_JOBS.into(),
        "rate.seconds" => 1..=limits::RATE_SECONDS.into(),
        _ => return None,
    })
}

/// # Errors
/// 400: `number` is outside of what is allowed in `name`; `field` is the path to it.
pub(crate) fn check(
    name: &str,
    field: impl Into<Cow<'static, str>>,
    number: impl Into<u64>,
) -> Result<(), ApiError> {
    let number = number.into();
    match of(name) {
        Some(range) if !range.contains(&number) => {
            let message = format!("must be {} to {}, not {number}", range.start(), range.end());
            Err(ApiError::invalid(field, message))
        }
        Some(_) | None => Ok(()),
    }
}
