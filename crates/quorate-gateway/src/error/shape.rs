use std::borrow::Cow;

use axum::http::StatusCode;
use metrics::Counter;
use quorate_api::WriteOutcome;
use quorate_core::Status;
use quorate_core::limits::{LANES, LANES_OF_KEY, OPERATIONS_RUNNING, QUEUES};

use super::ApiError;
use crate::limits::{self, RETRY_AFTER_SECONDS};
use crate::metrics::METRICS;
use crate::quote::shortened;

/// How an error is answered.
pub(super) struct Shape {
    pub(super) status: StatusCode,
    /// For people.
    pub(super) message: Cow<'static, str>,
    /// What became of what was asked for, where that is not plain from the status.
    pub(super) outcome: Option<WriteOutcome>,
    /// Where it is counted, if it is no fault of the request.
    pub(super) counted: Option<&'static Counter>,
    /// When to come back, where that is said.
    pub(super) retry_after: u64,
}

impl Shape {
    fn new(status: StatusCode, message: impl Into<Cow<'static, str>>) -> Shape {
        let message = message.into();
        Shape { status, message, outcome: None, counted: None, retry_after: RETRY_AFTER_SECONDS }
    }

    fn outcome(self, outcome: WriteOutcome) -> Shape {
        Shape { outcome: Some(outcome), ..self }
    }

    fn not_applied(self) -> Shape {
        self.outcome(WriteOutcome::NotApplied)
    }

    fn counted(self, at: &'static Counter) -> Shape {
        Shape { counted: Some(at), ..self }
    }
}

impl ApiError {
    pub(super) fn shape(&self) -> Shape {
        match self {
            ApiError::Invalid { fields, message } => {
                let field = shortened(fields, limits::NAMED_CHARS);
                Shape::new(StatusCode::BAD_REQUEST, format!("{field}: {message}"))
            }
            ApiError::Unauthenticated { reason } => {
                Shape::new(StatusCode::UNAUTHORIZED, *reason).counted(&METRICS.unauthenticated)
            }
            ApiError::Forbidden { token, needs } => {
                let message = format!("the token `{token}` lacks the role that this needs: {needs}");
                Shape::new(StatusCode::FORBIDDEN, message).counted(&METRICS.forbidden)
            }
            ApiError::OtherSite => Shape::new(StatusCode::FORBIDDEN, "this is not for pages of other sites"),
            ApiError::Misdirected => Shape::new(
                StatusCode::MISDIRECTED_REQUEST,
                "this node is not known to be called so: use its address, send a token if you are no browser, or have serve \
                 --allowed-hosts name it",
            ),
            ApiError::NoSuchRoute { meant } => {
                let message = match meant {
                    Some(meant) => format!("there is no such route; did you mean {meant}?").into(),
                    None => Cow::from("there is no such route; GET /openapi.json has all of them"),
                };
                Shape::new(StatusCode::NOT_FOUND, message)
            }
            ApiError::NoSuchJob => Shape::new(StatusCode::NOT_FOUND, "there is no such job"),
            ApiError::NoSuchImage => Shape::new(StatusCode::NOT_FOUND, "there is no such image"),
            ApiError::NoSuchQueue => Shape::new(StatusCode::NOT_FOUND, "there is no such queue"),
            ApiError::NoSuchOperation => {
                Shape::new(StatusCode::NOT_FOUND, "no such operation is known, or no more")
            }
            ApiError::NoSuchMember { message } => Shape::new(StatusCode::NOT_FOUND, message.clone()),
            ApiError::NoLogYet { status } => {
                let message = format!("the job has no log yet: its status is {}", status.as_str());
                Shape::new(StatusCode::NOT_FOUND, message)
            }
            ApiError::MethodNotAllowed { takes } => {
                Shape::new(StatusCode::METHOD_NOT_ALLOWED, format!("this route takes {takes} only"))
            }
            ApiError::BodyTooSlow => {
                Shape::new(StatusCode::REQUEST_TIMEOUT, "the request's body did not arrive in time")
                    .not_applied()
            }
            ApiError::WrongStatus { status } => {
                let message = format!("the job's status does not allow it: it is {}", status.as_str());
                Shape::new(StatusCode::CONFLICT, message)
            }
            ApiError::RetriedAutomatically { last } => {
                let then = match last {
                    Some((id, Status::Error | Status::Cancelled)) => {
                        format!("the last job is {id}: retry that one")
                    }
                    Some((id, Status::Success)) => format!("the last job is {id}, and it has succeeded"),
                    Some((id, status @ (Status::Delayed | Status::Queued | Status::Running))) => {
                        format!("the last job is {id}, and it is {}", status.as_str())
                    }
                    None => "follow retry_id to the last job, and retry that one".into(),
                };
                let message = format!(
                    "what went on from it by itself has ended, and may have been retried since: {then}"
                );
                Shape::new(StatusCode::CONFLICT, message)
            }
            ApiError::ReleasedTooOften => {
                Shape::new(StatusCode::CONFLICT, "it was given back too often: fail it, or let it time out")
            }
            ApiError::QueueInUse => Shape::new(
                StatusCode::CONFLICT,
                "the queue has jobs that have not finished: let them run, or cancel them first",
            ),
            ApiError::TooManyQueues => {
                let message =
                    format!("there are {QUEUES} queues, and no more may be: use one of them, or delete some");
                Shape::new(StatusCode::CONFLICT, message).counted(&METRICS.too_many_queues)
            }
            ApiError::OperationForgotten => Shape::new(
                StatusCode::CONFLICT,
                "what this Idempotency-Key began has ended, and is not known any more: look at the jobs",
            ),
            ApiError::Refused { message } => Shape::new(StatusCode::CONFLICT, message.clone()),
            ApiError::KeyReused => {
                Shape::new(StatusCode::CONFLICT, "this Idempotency-Key was used for another request")
            }
            ApiError::TooLarge { what, limit, unit } => {
                let message = format!("the {what} is over its limit of {limit} {unit}");
                Shape::new(StatusCode::PAYLOAD_TOO_LARGE, message)
            }
            ApiError::UnsupportedMediaType { accepted } => {
                Shape::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("this call takes {accepted}"))
            }
            ApiError::TooManyLanes => {
                let message = format!(
                    "jobs wait under {LANES} different combinations of queue, priority, image and key, or those of this key under \
                     {LANES_OF_KEY}, and no more may be: try again when some of them have run, or use fewer keys, or fewer \
                     images for one"
                );
                Shape::new(StatusCode::TOO_MANY_REQUESTS, message)
                    .not_applied()
                    .counted(&METRICS.too_many_lanes)
            }
            ApiError::TooManyOperations => {
                let message = format!(
                    "{OPERATIONS_RUNNING} operations go on, and no more may at once: wait for one to end, or stop one"
                );
                let shape = Shape::new(StatusCode::TOO_MANY_REQUESTS, message).not_applied();
                shape.counted(&METRICS.too_many_operations)
            }
            ApiError::Overloaded => {
                let shape = Shape::new(StatusCode::TOO_MANY_REQUESTS, "too many requests are in flight");
                shape.not_applied().counted(&METRICS.overloaded)
            }
            ApiError::CallerOverloaded => {
                let message = "too many requests, or bytes, of yours are in flight: wait for their answers before you send more";
                let shape = Shape::new(StatusCode::TOO_MANY_REQUESTS, message);
                shape.not_applied().counted(&METRICS.caller_overloaded)
            }
            ApiError::CallerTooFast { rate, seconds } => {
                let message = format!(
                    "you may enqueue {rate} jobs a second through this node, and have enqueued more: wait {seconds} s"
                );
                let shape = Shape::new(StatusCode::TOO_MANY_REQUESTS, message);
                Shape { retry_after: *seconds, ..shape.not_applied().counted(&METRICS.caller_rate) }
            }
            ApiError::BackupUnderWay => {
                let message = "this node sends a backup already: take this one from another node, or when that one is done";
                let shape = Shape::new(StatusCode::TOO_MANY_REQUESTS, message);
                shape.not_applied().counted(&METRICS.overloaded)
            }
            ApiError::HeaderTooLarge => {
                let message = format!("the request has more than {} header fields", limits::HEADER_FIELDS);
                Shape::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, message)
            }
            ApiError::Internal => {
                Shape::new(StatusCode::INTERNAL_SERVER_ERROR, "the server made a mistake; it is in its log")
            }
            ApiError::UnsupportedTransferEncoding => {
                Shape::new(StatusCode::NOT_IMPLEMENTED, "the only Transfer-Encoding known here is chunked")
            }
            ApiError::Unavailable { outcome, message } => {
                let counted = match outcome {
                    WriteOutcome::NotApplied => &METRICS.not_applied,
                    WriteOutcome::Unknown => &METRICS.unknown,
                };
                Shape::new(StatusCode::SERVICE_UNAVAILABLE, *message).outcome(*outcome).counted(counted)
            }
            ApiError::Draining => {
                let message =
                    "this node is being drained, or was removed, and takes no long polls: ask another one";
                Shape::new(StatusCode::SERVICE_UNAVAILABLE, message)
                    .not_applied()
                    .counted(&METRICS.not_applied)
            }
            ApiError::NotWell { message } => {
                Shape::new(StatusCode::SERVICE_UNAVAILABLE, message.clone()).not_applied()
            }
            ApiError::DiskFull => {
                let shape = Shape::new(StatusCode::INSUFFICIENT_STORAGE, "the disk is full");
                shape.not_applied().counted(&METRICS.disk_full)
            }
        }
    }
}
