//! Between what goes over the wire and what a history has.

use anyhow::Context;
use quorate_api as api;
use quorate_check::{
    Action, DEFAULT_QUEUE, Ended, Ending, JobRecord, NewJob, OperationRecord, OperationStatus, QueueLimits,
    Reason, Selection, Status, Unique, Until, body_hash,
};

use crate::limits;

/// How the tags of large jobs begin.
pub(crate) const LARGE_TAG: &str = "large-";

/// The payload of the job with this tag. It begins with the tag, and its length is the tag's own: up to some KiB for a
/// few.
pub(crate) fn payload(tag: &str) -> String {
    let sum: usize = tag.bytes().map(usize::from).sum();
    let length = match sum {
        _ if tag.starts_with(LARGE_TAG) => limits::LARGE.start + sum * 997 % limits::LARGE.len(),
        _ if sum.is_multiple_of(16) => 4_096,
        _ => sum % 64,
    };
    format!("{tag} {}", "x".repeat(length))
}

/// The log that whoever finishes this job sends.
pub(crate) fn log_of(id: &str) -> String {
    format!("the log of {id}")
}

/// What is sent for a job.
pub(crate) fn new_job(job: &NewJob) -> api::NewJob {
    api::NewJob {
        tags: None,
        unique_key: job.unique.as_ref().map(|unique| unique.key.to_string()),
        unique_until: job.unique.as_ref().and_then(|unique| match unique.until {
            Until::Started => Some(api::UniqueUntil::Started),
            Until::Finished => Some(api::UniqueUntil::Finished),
            Until::For(_) => None,
        }),
        unique_for: job.unique.as_ref().and_then(|unique| match unique.until {
            Until::For(seconds) => Some(seconds),
            Until::Started | Until::Finished => None,
        }),
        queue: (*job.queue != *DEFAULT_QUEUE).then(|| job.queue.to_string()),
        key: (!job.key.is_empty()).then(|| job.key.to_string()),
        image: "chaos".to_owned(),
        payload: Some(payload(&job.tag)),
        delay: Some(job.delay),
        timeout: Some(job.timeout),
        priority: Some(u32::from(job.priority)),
        max_retries: Some(job.max_retries),
        retries_delay: Some(job.retries_delay),
    }
}

/// What is sent for a job that is to be ended.
pub(crate) fn ending(ending: &Ending) -> api::Ending {
    let status = if ending.reason.is_some() { "error" } else { "success" };
    api::Ending {
        id: ending.id.to_string(),
        status: status.to_owned(),
        reason: ending.reason.map(|reason| word(reason).to_owned()),
        log: Some(log_of(&ending.id)),
        ..api::Ending::default()
    }
}

pub(crate) fn word(reason: Reason) -> &'static str {
    match reason {
        Reason::Timeout => "timeout",
        Reason::Killed => "killed",
        Reason::BadExit => "bad_exit",
    }
}

/// What an answer says of one ending among several.
pub(crate) fn ended(ended: &api::Ended) -> Ended {
    Ended {
        id: ended.id.as_str().into(),
        status: ended.status.map(status),
        retry_id: ended.retry_id.as_deref().map(Into::into),
        code: ended.code,
    }
}

/// The same of the only one: that answer has the job, without its payload.
pub(crate) fn ended_job(job: &api::Job) -> Ended {
    Ended {
        id: job.id.as_str().into(),
        status: Some(status(job.status)),
        retry_id: job.retry_id.as_deref().map(Into::into),
        code: None,
    }
}

pub(crate) fn status(status: api::Status) -> Status {
    match status {
        api::Status::Delayed => Status::Delayed,
        api::Status::Queued => Status::Queued,
        api::Status::Running => Status::Running,
        api::Status::Success => Status::Success,
        api::Status::Error => Status::Error,
        api::Status::Cancelled => Status::Cancelled,
    }
}

/// What an answer says of a job.
///
/// # Errors
/// It has a time or a number that no answer should have.
pub(crate) fn record(job: &api::Job) -> anyhow::Result<JobRecord> {
    let tag = job.payload.split_once(' ').map_or(job.payload.as_str(), |(tag, _)| tag);
    Ok(JobRecord {
        id: job.id.as_str().into(),
        tag: tag.into(),
        hash: body_hash(job.payload.as_bytes()),
        queue: job.queue.as_str().into(),
        key: job.key.as_deref().unwrap_or_default().into(),
        unique: job.unique_key.as_deref().map(|key| unique(key, job)),
        status: status(job.status),
        priority: u8::try_from(job.priority).context("a priority above 255")?,
        delay: job.delay,
        timeout: job.timeout,
        max_retries: job.max_retries,
        retries_delay: job.retries_delay,
        created: millis(&job.created_at)?,
        started: job.started_at.as_deref().map(millis).transpose()?,
        completed: job.completed_at.as_deref().map(millis).transpose()?,
        reason: match job.reason {
            None | Some(api::Reason::ClientRequest) => None,
            Some(api::Reason::Timeout) => Some(Reason::Timeout),
            Some(api::Reason::Killed) => Some(Reason::Killed),
            Some(api::Reason::BadExit) => Some(Reason::BadExit),
        },
        retry_of: job.retry_of.as_deref().map(Into::into),
        retry_id: job.retry_id.as_deref().map(Into::into),
        log: None,
        duplicate: job.duplicate,
    })
}

fn unique(key: &str, job: &api::Job) -> Unique {
    let until = match (job.unique_for, job.unique_until) {
        (Some(seconds), _) => Until::For(seconds),
        (None, Some(api::UniqueUntil::Started)) => Until::Started,
        (None, Some(api::UniqueUntil::Finished) | None) => Until::Finished,
    };
    Unique { key: key.into(), until }
}

/// What is sent to limit a queue: all of it.
pub(crate) fn settings(limits: &QueueLimits) -> api::QueueRequest {
    api::QueueRequest {
        paused: Some(Some(limits.paused)),
        max_running: Some(limits.max_running),
        max_running_per_key: Some(limits.max_running_per_key),
        rate: Some(limits.rate.map(|rate| api::Rate { jobs: rate.jobs, seconds: rate.seconds })),
        ..api::QueueRequest::default()
    }
}

/// What is sent for work on many jobs.
pub(crate) fn operation(selection: &Selection) -> api::OperationRequest {
    let text = |text: &Option<Box<str>>| text.as_deref().map(ToOwned::to_owned);
    let filter = || api::JobFilter {
        queue: text(&selection.queue),
        key: text(&selection.key),
        status: selection.status.iter().map(|status| api_status(*status)).collect(),
        ..api::JobFilter::default()
    };
    let ids = || selection.ids.iter().map(ToString::to_string).collect();
    let by_ids = !selection.ids.is_empty();
    api::OperationRequest {
        filter: (!by_ids).then(filter),
        ids: by_ids.then(ids),
        ..api::OperationRequest::default()
    }
}

pub(crate) fn action(action: Action) -> &'static str {
    match action {
        Action::Retry => "retry",
        Action::Cancel => "cancel",
        Action::Delete => "delete",
    }
}

/// What an answer says of such work.
///
/// # Errors
/// It has a time that no answer should have.
pub(crate) fn operation_record(operation: &api::Operation) -> anyhow::Result<OperationRecord> {
    Ok(OperationRecord {
        id: operation.id.as_str().into(),
        status: match operation.status {
            api::OperationStatus::Running => OperationStatus::Running,
            api::OperationStatus::Done => OperationStatus::Done,
            api::OperationStatus::Stopped => OperationStatus::Stopped,
        },
        done: operation.done,
        skipped: operation.skipped,
        started: millis(&operation.started_at)?,
        ended: operation.ended_at.as_deref().map(millis).transpose()?,
    })
}

fn api_status(status: Status) -> api::Status {
    match status {
        Status::Delayed => api::Status::Delayed,
        Status::Queued => api::Status::Queued,
        Status::Running => api::Status::Running,
        Status::Success => api::Status::Success,
        Status::Error => api::Status::Error,
        Status::Cancelled => api::Status::Cancelled,
    }
}

fn millis(text: &str) -> anyhow::Result<u64> {
    let time: jiff::Timestamp = text.parse().with_context(|| format!("`{text}` is no time"))?;
    u64::try_from(time.as_millisecond()).with_context(|| format!("`{text}` is before 1970"))
}
