use quorate_core::model::Model;
use quorate_core::{Job, JobId, Operation, OperationState, Refusal, State, Table};

use crate::finish::Ended;
use crate::job::{JobRecord, Reason, Status, Unique, Until};
use crate::map::Map;
use crate::operation::{OperationRecord, OperationStatus};

/// What every job's payload is, by its owner: tag and hash.
pub(super) type Payloads = Map<JobId, (Box<str>, Box<str>)>;

/// A job as an answer shows it.
pub(super) fn record(job: &Job, model: &Model, payloads: &Payloads) -> JobRecord {
    let (tag, hash) = payloads.get(&job.payload.owner).cloned().unwrap_or_default();
    let text = |id: JobId| id.to_string().into_boxed_str();
    JobRecord {
        id: text(job.id),
        tag,
        hash,
        queue: model
            .dispatch()
            .queue(job.queue)
            .map_or_else(Box::default, |queue| queue.name.as_str().into()),
        key: job.key.clone(),
        unique: job.unique.as_ref().map(unique),
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
        duplicate: false,
    }
}

fn unique(unique: &quorate_core::Unique) -> Unique {
    let until = match unique.until {
        quorate_core::Until::Started => Until::Started,
        quorate_core::Until::Finished => Until::Finished,
        quorate_core::Until::Elapsed(seconds) => Until::For(seconds),
    };
    Unique { key: unique.key.clone(), until }
}

/// Work on many jobs as an answer shows it.
pub(super) fn operation(operation: &Operation) -> OperationRecord {
    OperationRecord {
        id: operation.id.to_string().into(),
        status: match operation.state {
            OperationState::Running => OperationStatus::Running,
            OperationState::Done => OperationStatus::Done,
            OperationState::Stopped => OperationStatus::Stopped,
        },
        done: operation.done,
        skipped: operation.skipped,
        started: operation.started_at.0,
        ended: operation.ended_at.map(|at| at.0),
    }
}

/// What became of an ending as an answer shows it.
pub(super) fn ended(id: &str, ended: &Result<Job, Refusal>) -> Ended {
    let job = ended.as_ref().ok();
    Ended {
        id: id.into(),
        status: job.map(|job| status(&job.state)),
        retry_id: job.and_then(|job| job.retry_id).map(|id| id.to_string().into()),
        code: ended.as_ref().err().map(code),
    }
}

/// The status code of a refusal.
pub(super) fn code(refusal: &Refusal) -> u16 {
    match refusal {
        Refusal::NoSuchJob | Refusal::NoSuchOperation => 404,
        Refusal::WrongStatus { .. }
        | Refusal::RetriedAutomatically
        | Refusal::ReleasedTooOften
        | Refusal::KeyReused => 409,
        Refusal::OutsideDeadline
        | Refusal::Invalid { .. }
        | Refusal::IdTaken
        | Refusal::NoSuchQueue
        | Refusal::QueueInUse
        | Refusal::TooManyQueues
        | Refusal::TooManyLanes
        | Refusal::TooManyOperations => {
            panic!("the generator sends nothing that is refused so: {refusal:?}")
        }
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
