//! Between the REST vocabulary and the core's.

mod operation;
mod progress;
mod queue;
mod tags;
mod unique;
mod worker;

use bytes::Bytes;
use quorate_core::{QueueName, State, Timestamp, limits};

pub(crate) use self::operation::{Which, Work, operation, work};
pub(crate) use self::progress::progress;
pub(crate) use self::queue::{is_step, new_queue_name, queue, queue_name, settings, stats};
pub(crate) use self::tags::tags;
pub(crate) use self::worker::{worker, worker_name};

use crate::error::ApiError;
use crate::ids;
use crate::limits::GIVEN_CHARS;
use crate::quote::shortened;
use crate::ranges;

/// A job to enqueue, checked; `position` is its place in the request, `payload_bytes` the longest payload.
///
/// # Errors
/// 400 or 413, naming the field.
pub(crate) fn new_job(
    position: usize,
    job: quorate_api::NewJob,
    payload_bytes: usize,
) -> Result<quorate_core::NewJob, ApiError> {
    let field = |name: &str| format!("jobs[{position}].{name}");
    let named = |error: ApiError| error.below(&field(""));
    let number = |name: &str, given: Option<u32>| {
        given.map_or(Ok(()), |number| ranges::check(name, field(name), number)).map(|()| given)
    };

    if !(1..=limits::IMAGE_NAME_BYTES).contains(&job.image.len()) {
        let message = format!("is required and must have 1 to {} bytes", limits::IMAGE_NAME_BYTES);
        return Err(ApiError::invalid(field("image"), message));
    }
    let payload = Bytes::from(job.payload.unwrap_or_default());
    if payload.len() > payload_bytes {
        return Err(ApiError::TooLarge { what: "payload", limit: payload_bytes, unit: "bytes" });
    }
    let queue = job.queue.map_or(Ok(QueueName::DEFAULT), |name| new_queue_name(&name));
    if let Some(key) = &job.key
        && !(1..=limits::JOB_KEY_BYTES).contains(&key.len())
    {
        let none = if key.is_empty() { "; leave it out where there is none" } else { "" };
        let message = format!("must have 1 to {} bytes, not {}{none}", limits::JOB_KEY_BYTES, key.len());
        return Err(ApiError::invalid(field("key"), message));
    }
    let tags =
        tags(job.tags.unwrap_or_default()).map_err(|message| ApiError::invalid(field("tags"), message))?;
    let priority = u8::try_from(job.priority.unwrap_or_default()).ok().and_then(quorate_core::Priority::new);
    Ok(quorate_core::NewJob {
        id: ids::draw(),
        queue: queue.map_err(|message| ApiError::invalid(field("queue"), message))?,
        key: job.key.unwrap_or_default().into(),
        tags,
        unique: unique::unique(job.unique_key, job.unique_until, job.unique_for).map_err(named)?,
        priority: priority
            .ok_or_else(|| ApiError::invalid(field("priority"), "must be 0, 1 or 2; 2 is served first"))?,
        image_id: ids::image(&job.image),
        image: job.image.into(),
        payload,
        delay: number("delay", job.delay)?.unwrap_or_default(),
        timeout: number("timeout", job.timeout)?,
        max_retries: number("max_retries", job.max_retries)?,
        retries_delay: number("retries_delay", job.retries_delay)?,
    })
}

/// How a job ended, checked; `position` is its place in the request.
///
/// # Errors
/// 400 or 413, naming the field.
pub(crate) fn ending(position: usize, ending: quorate_api::Ending) -> Result<quorate_core::Ending, ApiError> {
    let quorate_api::Ending { id, status, reason, details, log, retry } = ending;
    let field = |name: &str| format!("jobs[{position}].{name}");
    let id = ids::parse(&id).ok_or_else(|| ApiError::invalid(field("id"), "must be a job's id"))?;
    let failure = match status.as_str() {
        "error" => {
            let named = |error: ApiError| error.below(&field(""));
            let reason = fail_reason(&reason.unwrap_or_default()).map_err(named)?;
            let details = self::details(details.unwrap_or_default()).map_err(named)?.into();
            Some(quorate_core::Failure { reason, details, for_good: retry == Some(false) })
        }
        "success" if reason.is_some() => {
            return Err(ApiError::invalid(field("reason"), "belongs to an error, and this is a success"));
        }
        "success" if details.is_some() => {
            return Err(ApiError::invalid(field("details"), "belong to an error, and this is a success"));
        }
        "success" if retry.is_some() => {
            return Err(ApiError::invalid(field("retry"), "belongs to an error, and this is a success"));
        }
        "success" => None,
        other => {
            let given = shortened(other, GIVEN_CHARS);
            let message = format!("must be success or error, not \"{given}\"");
            return Err(ApiError::invalid(field("status"), message));
        }
    };
    let log = Bytes::from(log.unwrap_or_default());
    if log.len() > limits::LOG_BYTES {
        return Err(ApiError::TooLarge { what: "log", limit: limits::LOG_BYTES, unit: "bytes" });
    }
    Ok(quorate_core::Ending { id: quorate_core::JobId(id), failure, log })
}

/// A job of this queue for an answer, but for its payload.
pub(crate) fn job(job: quorate_core::Job, queue: &QueueName) -> quorate_api::Job {
    let (is_error, is_dead) = (job.status() == quorate_core::Status::Error, job.is_dead());
    let released = matches!(job.state, State::Cancelled { released: true, .. });
    let status = status(job.status());
    let (due, deadline) = match job.state {
        State::Delayed { due } => (Some(due), None),
        State::Running { deadline } => (None, Some(deadline)),
        State::Queued { .. } | State::Success | State::Error { .. } | State::Cancelled { .. } => (None, None),
    };
    let (reason, details) = match job.state {
        State::Delayed { .. } | State::Queued { .. } | State::Running { .. } | State::Success => (None, None),
        State::Error { reason: why, by: _, details } => (Some(reason(why)), Some(details)),
        State::Cancelled { details, .. } => (Some(quorate_api::Reason::ClientRequest), Some(details)),
    };
    let (unique_key, unique_until, unique_for) = unique::shown(job.unique);
    quorate_api::Job {
        id: job.id.to_string(),
        image: job.image.into(),
        image_id: job.image_id.to_string(),
        payload: String::new(),
        delay: job.delay,
        timeout: job.timeout,
        priority: u32::from(job.priority.get()),
        max_retries: job.max_retries,
        retries_delay: job.retries_delay,
        status,
        reason,
        is_final: is_error.then_some(is_dead),
        released,
        details: details.filter(|details| !details.is_empty()).map(Into::into),
        created_at: time(job.created_at),
        started_at: job.started_at.map(time),
        completed_at: job.completed_at.map(time),
        retry_of: job.retry_of.map(|id| id.to_string()),
        retry_id: job.retry_id.map(|id| id.to_string()),
        queue: queue.to_string(),
        key: (!job.key.is_empty()).then(|| job.key.into()),
        tags: job.tags.into_iter().map(Into::into).collect(),
        attempt: job.attempt,
        due: due.map(time),
        deadline: deadline.map(time),
        worker: (!job.worker.is_empty()).then(|| job.worker.into()),
        progress: job.progress.map(progress::shown),
        unique_key,
        unique_until,
        unique_for,
        duplicate: false,
    }
}

pub(crate) fn status(status: quorate_core::Status) -> quorate_api::Status {
    match status {
        quorate_core::Status::Delayed => quorate_api::Status::Delayed,
        quorate_core::Status::Queued => quorate_api::Status::Queued,
        quorate_core::Status::Running => quorate_api::Status::Running,
        quorate_core::Status::Success => quorate_api::Status::Success,
        quorate_core::Status::Error => quorate_api::Status::Error,
        quorate_core::Status::Cancelled => quorate_api::Status::Cancelled,
    }
}

pub(crate) fn core_status(status: quorate_api::Status) -> quorate_core::Status {
    match status {
        quorate_api::Status::Delayed => quorate_core::Status::Delayed,
        quorate_api::Status::Queued => quorate_core::Status::Queued,
        quorate_api::Status::Running => quorate_core::Status::Running,
        quorate_api::Status::Success => quorate_core::Status::Success,
        quorate_api::Status::Error => quorate_core::Status::Error,
        quorate_api::Status::Cancelled => quorate_core::Status::Cancelled,
    }
}

fn reason(reason: quorate_core::Reason) -> quorate_api::Reason {
    match reason {
        quorate_core::Reason::Timeout => quorate_api::Reason::Timeout,
        quorate_core::Reason::Killed => quorate_api::Reason::Killed,
        quorate_core::Reason::BadExit => quorate_api::Reason::BadExit,
    }
}

/// The reason of a fail; an absent one is `bad_exit`.
///
/// # Errors
/// 400: it is none of the three.
pub(crate) fn fail_reason(word: &str) -> Result<quorate_core::Reason, ApiError> {
    match word {
        "timeout" => Ok(quorate_core::Reason::Timeout),
        "killed" => Ok(quorate_core::Reason::Killed),
        "" | "bad_exit" => Ok(quorate_core::Reason::BadExit),
        other => {
            let given = shortened(other, GIVEN_CHARS);
            Err(ApiError::invalid("reason", format!("must be timeout, killed or bad_exit, not {given}")))
        }
    }
}

/// The details of a failure or a cancel.
///
/// # Errors
/// 400: they are too long.
pub(crate) fn details(details: String) -> Result<String, ApiError> {
    if details.len() > limits::DETAILS_BYTES {
        let message = format!("is longer than {} bytes", limits::DETAILS_BYTES);
        return Err(ApiError::invalid("details", message));
    }
    Ok(details)
}

/// An image for an answer.
pub(crate) fn image(image: quorate_core::Image) -> quorate_api::Image {
    quorate_api::Image {
        id: image.id.to_string(),
        name: image.name.to_string(),
        image: image.name.into(),
        created_at: time(image.created_at),
    }
}

/// RFC 3339 with milliseconds, UTC.
fn time(at: Timestamp) -> String {
    let millis = i64::try_from(at.0).unwrap_or(i64::MAX);
    let time = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX);
    format!("{time:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        assert_eq!(time(Timestamp(0)), "1970-01-01T00:00:00.000Z");
        assert_eq!(time(Timestamp(1_767_225_600_007)), "2026-01-01T00:00:00.007Z");
        assert!(time(Timestamp(u64::MAX)).starts_with("9999-12-"));
    }
}
