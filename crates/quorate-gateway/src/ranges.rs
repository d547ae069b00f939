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

/// What is allowed in a field, in words, for one that the state machine has refused ([`limits::FIELDS`]).
pub(crate) fn allowed(field: &str) -> Cow<'static, str> {
    if let Some(range) = of(field) {
        return format!("must be {} to {}", range.start(), range.end()).into();
    }
    let bytes = |bytes: usize| format!("must have at most {bytes} bytes").into();
    let list = |most: usize| format!("must be 1 to {most} of them").into();
    match field {
        "image" => format!("must have 1 to {} bytes", limits::IMAGE_NAME_BYTES).into(),
        "worker" => format!("must have 1 to {} bytes", limits::WORKER_NAME_BYTES).into(),
        "payload" => bytes(limits::PAYLOAD_BYTES),
        "log" => format!("must have at most {} bytes and {} parts", limits::LOG_BYTES, limits::LOG_PARTS).into(),
        "details" => format!(
            "must have at most {} bytes, and for many jobs at once {}",
            limits::DETAILS_BYTES,
            limits::OPERATION_DETAILS_BYTES
        )
        .into(),
        "key" => format!(
            "must have at most {} bytes, and of one request those of a queue without a delay at most {} combinations of priority and image",
            limits::JOB_KEY_BYTES,
            limits::LANES_OF_KEY
        )
        .into(),
        "idempotency_key" => bytes(limits::IDEMPOTENCY_KEY_BYTES),
        "words" => bytes(limits::OPERATION_WORDS_BYTES),
        "jobs" | "ids" => list(limits::JOBS_PER_REQUEST),
        "queue" => format!(
            "must be 1 to {} queues and as many images, with at most {} pairs of both, and weights of 1 to {}",
            limits::QUEUES_PER_CONSUME,
            limits::LINES_PER_CONSUME,
            limits::WEIGHT
        )
        .into(),
        "tags" => {
            format!("must be at most {} different ones of 1 to {} bytes", limits::TAGS, limits::TAG_BYTES).into()
        }
        "unique" => format!(
            "its key must have 1 to {} bytes, its time be 1 to {} s",
            limits::UNIQUE_KEY_BYTES,
            limits::UNIQUE_SECONDS
        )
        .into(),
        "progress" => {
            format!("must be 0 to 100 percent, with a text of at most {} bytes", limits::PROGRESS_BYTES).into()
        }
        "rate" => format!("must be 1 to {} jobs in 1 to {} s", limits::RATE_JOBS, limits::RATE_SECONDS).into(),
        "backoff" => format!(
            "must be fixed, exponential with a cap of 1 to {1} s and 0 to 100 percent of jitter, or 1 to {0} delays of at most {1} s",
            limits::BACKOFF_DELAYS,
            limits::RETRIES_DELAY_SECONDS
        )
        .into(),
        "keep_success" | "keep_error" => allowed("retention"),
        "filter" => {
            format!("its key must have at most {} bytes, its tags be such as jobs have", limits::JOB_KEY_BYTES).into()
        }
        "operation" => "is not the one that this step belongs to".into(),
        "level" => "must not be lower than the level of the cluster".into(),
        _ => "is not allowed".into(),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_says_what_is_allowed() {
        for field in limits::FIELDS {
            assert_ne!(allowed(field), allowed("no field"), "{field}");
        }
        assert_eq!(allowed("timeout"), "must be 1 to 604800");
        assert_eq!(allowed("log"), "must have at most 1048576 bytes and 4096 parts");
    }
}
