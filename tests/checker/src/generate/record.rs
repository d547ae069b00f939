use quorate_core::{Job, JobId, State};

use crate::job::{JobRecord, Reason, Status};
use crate::map::Map;

/// What every job's payload is, by its owner: tag and hash.
pub(super) type Payloads = Map<JobId, (Box<str>, Box<str>)>;

/// A job as an answer shows it.
pub(super) fn record(job: &Job, payloads: &Payloads) -> JobRecord {
    let (tag, hash) = payloads.get(&job.payload.owner).cloned().unwrap_or_default();
    let text = |id: JobId| id.to_string().into_boxed_str();
    JobRecord {
        id: text(job.id),
        tag,
        hash,
        status: status(&job.state),
        priority: job.priority.get(),
        delay: job.delay,
        timeout: job.timeout,
        max_retries: job.max_retries,
        retries_delay: job.retries_delay,
        created: job.created_at.0,
        started: job.started_at.map(|at| at.0),
        completed: job.completed_at.map(|at| at.0),
        reason: reason(&job.state),
        retry_of: job.retry_of.map(text),
        retry_id: job.retry_id.map(text),
        log: None,
    }
}

fn status(state: &State) -> Status {
    match state {
        State::Delayed { .. } => Status::Delayed,
        State::Queued { .. } => Status::Queued,
        State::Running { .. } => Status::Running,
        State::Success => Status::Success,
        State::Error { .. } => Status::Error,
        State::Cancelled { .. } => Status::Cancelled,
    }
}

fn reason(state: &State) -> Option<Reason> {
    match state {
        State::Error { reason: quorate_core::Reason::Timeout, .. } => Some(Reason::Timeout),
        State::Error { reason: quorate_core::Reason::Killed, .. } => Some(Reason::Killed),
        State::Error { reason: quorate_core::Reason::BadExit, .. } => Some(Reason::BadExit),
        State::Delayed { .. }
        | State::Queued { .. }
        | State::Running { .. }
        | State::Success
        | State::Cancelled { .. } => None,
    }
}
