//! The one place where an outcome becomes a status code. `docs/http-status-codes.md` is the table for people; a test
//! below holds the two together.

use std::borrow::Cow;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use metrics::Counter;
use quorate_api::{Error, ErrorWrapper, WriteOutcome};
use quorate_core::limits::{LANES, OPERATIONS_RUNNING, QUEUES};
use quorate_core::{Refusal, Status, Unavailable};

use crate::limits::{self, RETRY_AFTER_SECONDS};
use crate::memory::Full;
use crate::metrics::METRICS;
use crate::quote::{quoted, shortened};
use crate::ranges;
use crate::response::{self, Index};

/// Everything that a request can be answered other than what it asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ApiError {
    /// Something in the request is malformed or outside of its limits.
    Invalid {
        /// What: a field's path, a parameter, a header; `body` for the whole.
        fields: Cow<'static, str>,
        /// Why.
        message: Cow<'static, str>,
    },
    /// Nobody knows who sends it, and it is not for everybody.
    Unauthenticated {
        reason: &'static str,
    },
    /// Its caller is known, and may not.
    Forbidden {
        /// The name of the caller's token.
        token: String,
        /// The roles of which one is missing, in words.
        needs: String,
    },
    /// A browser calls this node by a name that is not known to be its own.
    Misdirected,
    /// A browser asks on behalf of a page of somebody else.
    OtherSite,
    NoSuchRoute {
        /// The route that comes nearest.
        meant: Option<String>,
    },
    NoSuchJob,
    NoSuchImage,
    NoSuchQueue,
    NoSuchOperation,
    /// It was begun by an earlier call under the same Idempotency-Key, and is no longer known.
    OperationForgotten,
    /// The job is there and has not finished.
    NoLogYet {
        status: Status,
    },
    /// The path is there, for other methods.
    MethodNotAllowed {
        /// As `Allow` names them.
        takes: String,
    },
    /// The request's body did not come in time.
    BodyTooSlow,
    WrongStatus {
        status: Status,
    },
    RetriedAutomatically,
    /// A job was given back as often as it may be.
    ReleasedTooOften,
    /// The queue has jobs that have not finished.
    QueueInUse,
    /// There are as many queues as there may be. Nothing was done.
    TooManyQueues,
    /// Jobs wait in as many lanes as there may be. Nothing was done.
    TooManyLanes,
    /// As much work on many jobs goes on as may. Nothing was done.
    TooManyOperations,
    KeyReused,
    /// A body, a payload or a log over its limit.
    TooLarge {
        what: &'static str,
        limit: usize,
        unit: &'static str,
    },
    /// This call does not take this Content-Type or Content-Encoding.
    UnsupportedMediaType {
        accepted: &'static str,
    },
    /// More header fields than a request may have.
    HeaderTooLarge,
    /// Too much in flight. Nothing was done.
    Overloaded,
    /// As much is in flight of this caller as may be of one. Nothing was done.
    CallerOverloaded,
    /// This caller has enqueued as many jobs as it may, and more may come in so many seconds. Nothing was done.
    CallerTooFast {
        /// Jobs a second.
        rate: u32,
        seconds: u64,
    },
    /// This node sends a backup already. Nothing was done.
    BackupUnderWay,
    /// A bug: it is logged where it is found. Nothing of it goes to the client.
    Internal,
    /// A Transfer-Encoding other than `chunked`.
    UnsupportedTransferEncoding,
    /// No answer from the cluster.
    Unavailable {
        outcome: WriteOutcome,
        message: &'static str,
    },
    DiskFull,
    /// This node takes no long polls: it is being drained. Nothing was done.
    Draining,
    /// The answer to a health check.
    NotWell {
        message: Cow<'static, str>,
    },
    /// There is no such member, or no such node that could be one.
    NoSuchMember {
        message: Cow<'static, str>,
    },
    /// The cluster is not changed so, in the leader's words.
    Refused {
        message: Cow<'static, str>,
    },
}

impl ApiError {
    /// Both may have what the client sent: they are shortened, and control characters spelled out.
    pub(crate) fn invalid(
        fields: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> ApiError {
        let fields = match fields.into() {
            Cow::Borrowed(own) => own.into(),
            Cow::Owned(text) => quoted(&text).into(),
        };
        let message = match message.into() {
            Cow::Borrowed(own) => own.into(),
            Cow::Owned(text) => shortened(&text, limits::MESSAGE_CHARS).into(),
        };
        ApiError::Invalid { fields, message }
    }

    /// The same, where its field is one below `path`.
    pub(crate) fn below(self, path: &str) -> ApiError {
        match self {
            ApiError::Invalid { fields, message } => ApiError::invalid(format!("{path}{fields}"), message),
            other => other,
        }
    }

    /// A reply of the state machine that does not belong to the command: impossible unless the backend is broken.
    pub(crate) fn unexpected_reply(call: &'static str) -> ApiError {
        tracing::error!(call, "the state machine's reply does not belong to the command");
        ApiError::Internal
    }

    /// Its status code.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            ApiError::Invalid { .. } => StatusCode::BAD_REQUEST,
            ApiError::Unauthenticated { .. } => StatusCode::UNAUTHORIZED,
            ApiError::Forbidden { .. } | ApiError::OtherSite => StatusCode::FORBIDDEN,
            ApiError::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            ApiError::NoSuchRoute { .. }
            | ApiError::NoSuchJob
            | ApiError::NoSuchImage
            | ApiError::NoSuchQueue
            | ApiError::NoSuchOperation
            | ApiError::NoSuchMember { .. }
            | ApiError::NoLogYet { .. } => StatusCode::NOT_FOUND,
            ApiError::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            ApiError::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
            ApiError::WrongStatus { .. }
            | ApiError::RetriedAutomatically
            | ApiError::ReleasedTooOften
            | ApiError::QueueInUse
            | ApiError::TooManyQueues
            | ApiError::OperationForgotten
            | ApiError::Refused { .. }
            | ApiError::KeyReused => StatusCode::CONFLICT,
            ApiError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            ApiError::UnsupportedMediaType { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ApiError::Overloaded
            | ApiError::CallerOverloaded
            | ApiError::CallerTooFast { .. }
            | ApiError::BackupUnderWay
            | ApiError::TooManyLanes
            | ApiError::TooManyOperations => StatusCode::TOO_MANY_REQUESTS,
            ApiError::HeaderTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            ApiError::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            ApiError::UnsupportedTransferEncoding => StatusCode::NOT_IMPLEMENTED,
            ApiError::Unavailable { .. } | ApiError::Draining | ApiError::NotWell { .. } => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            ApiError::DiskFull => StatusCode::INSUFFICIENT_STORAGE,
        }
    }

    /// Where it is counted, if it is no fault of the request.
    fn refusals(&self) -> Option<&'static Counter> {
        match self {
            ApiError::Overloaded | ApiError::BackupUnderWay => Some(&METRICS.overloaded),
            ApiError::CallerOverloaded => Some(&METRICS.caller_overloaded),
            ApiError::CallerTooFast { .. } => Some(&METRICS.caller_rate),
            ApiError::TooManyQueues => Some(&METRICS.too_many_queues),
            ApiError::TooManyLanes => Some(&METRICS.too_many_lanes),
            ApiError::TooManyOperations => Some(&METRICS.too_many_operations),
            ApiError::Unavailable { outcome: WriteOutcome::NotApplied, .. } | ApiError::Draining => {
                Some(&METRICS.not_applied)
            }
            ApiError::Unavailable { outcome: WriteOutcome::Unknown, .. } => Some(&METRICS.unknown),
            ApiError::DiskFull => Some(&METRICS.disk_full),
            ApiError::Unauthenticated { .. } => Some(&METRICS.unauthenticated),
            ApiError::Forbidden { .. } => Some(&METRICS.forbidden),
            ApiError::Invalid { .. }
            | ApiError::Misdirected
            | ApiError::OtherSite
            | ApiError::NoSuchRoute { .. }
            | ApiError::NoSuchJob
            | ApiError::NoSuchImage
            | ApiError::NoSuchQueue
            | ApiError::NoSuchOperation
            | ApiError::OperationForgotten
            | ApiError::NoLogYet { .. }
            | ApiError::MethodNotAllowed { .. }
            | ApiError::BodyTooSlow
            | ApiError::WrongStatus { .. }
            | ApiError::RetriedAutomatically
            | ApiError::ReleasedTooOften
            | ApiError::QueueInUse
            | ApiError::KeyReused
            | ApiError::TooLarge { .. }
            | ApiError::UnsupportedMediaType { .. }
            | ApiError::HeaderTooLarge
            | ApiError::Internal
            | ApiError::UnsupportedTransferEncoding
            | ApiError::NoSuchMember { .. }
            | ApiError::Refused { .. }
            | ApiError::NotWell { .. } => None,
        }
    }

    /// For people.
    pub(crate) fn message(&self) -> Cow<'static, str> {
        match self {
            ApiError::Invalid { fields, message } => {
                format!("{}: {message}", shortened(fields, limits::NAMED_CHARS)).into()
            }
            ApiError::Unauthenticated { reason } => (*reason).into(),
            ApiError::Forbidden { token, needs } => {
                format!("the token `{token}` lacks the role that this needs: {needs}").into()
            }
            ApiError::Misdirected => {
                "this node is not known to be called so: use its address, send a token if you are no browser, or have serve \
                 --allowed-hosts name it"
                    .into()
            }
            ApiError::OtherSite => "this is not for pages of other sites".into(),
            ApiError::NoSuchRoute { meant: Some(meant) } => {
                format!("there is no such route; did you mean {meant}?").into()
            }
            ApiError::NoSuchRoute { meant: None } => {
                "there is no such route; GET /openapi.json has all of them".into()
            }
            ApiError::NoSuchJob => "there is no such job".into(),
            ApiError::NoSuchImage => "there is no such image".into(),
            ApiError::NoSuchQueue => "there is no such queue".into(),
            ApiError::NoSuchOperation => "no such operation is known, or no more".into(),
            ApiError::OperationForgotten => {
                "what this Idempotency-Key began has ended, and is not known any more: look at the jobs".into()
            }
            ApiError::NoLogYet { status } => {
                format!("the job has no log yet: its status is {}", status.as_str()).into()
            }
            ApiError::MethodNotAllowed { takes } => format!("this route takes {takes} only").into(),
            ApiError::BodyTooSlow => "the request's body did not arrive in time".into(),
            ApiError::WrongStatus { status } => {
                format!("the job's status does not allow it: it is {}", status.as_str()).into()
            }
            ApiError::RetriedAutomatically => {
                "others went on from it by themselves, and they have ended: retry the last of them, by retry_id".into()
            }
            ApiError::ReleasedTooOften => {
                "it was given back too often: fail it, or let it time out".into()
            }
            ApiError::QueueInUse => {
                "the queue has jobs that have not finished: let them run, or cancel them first".into()
            }
            ApiError::TooManyQueues => {
                format!("there are {QUEUES} queues, and no more may be: use one of them, or delete some").into()
            }
            ApiError::TooManyLanes => format!(
                "jobs wait under {LANES} different combinations of queue, priority, image and key, and no more may be: try \
                 again when some of them have run, or use fewer keys"
            )
            .into(),
            ApiError::TooManyOperations => format!(
                "{OPERATIONS_RUNNING} operations go on, and no more may at once: wait for one to end, or stop one"
            )
            .into(),
            ApiError::KeyReused => "this Idempotency-Key was used for another request".into(),
            ApiError::TooLarge { what, limit, unit } => {
                format!("the {what} is over its limit of {limit} {unit}").into()
            }
            ApiError::UnsupportedMediaType { accepted } => format!("this call takes {accepted}").into(),
            ApiError::HeaderTooLarge => {
                format!("the request has more than {} header fields", limits::HEADER_FIELDS).into()
            }
            ApiError::Overloaded => "too many requests are in flight".into(),
            ApiError::CallerOverloaded => {
                "too many requests, or bytes, of yours are in flight: wait for their answers before you send more".into()
            }
            ApiError::CallerTooFast { rate, seconds } => format!(
                "you may enqueue {rate} jobs a second through this node, and have enqueued more: wait {seconds} s"
            )
            .into(),
            ApiError::BackupUnderWay => {
                "this node sends a backup already: take this one from another node, or when that one is done".into()
            }
            ApiError::Internal => "the server made a mistake; it is in its log".into(),
            ApiError::UnsupportedTransferEncoding => {
                "the only Transfer-Encoding known here is chunked".into()
            }
            ApiError::Unavailable { outcome: _, message } => (*message).into(),
            ApiError::Draining => "this node is being drained, or was removed, and takes no long polls: ask another one".into(),
            ApiError::NotWell { message }
            | ApiError::NoSuchMember { message }
            | ApiError::Refused { message } => message.clone(),
            ApiError::DiskFull => "the disk is full".into(),
        }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> ApiError {
        match refusal {
            Refusal::NoSuchJob => ApiError::NoSuchJob,
            Refusal::WrongStatus { status } => ApiError::WrongStatus { status },
            Refusal::RetriedAutomatically => ApiError::RetriedAutomatically,
            Refusal::ReleasedTooOften => ApiError::ReleasedTooOften,
            Refusal::NoSuchQueue => ApiError::NoSuchQueue,
            Refusal::QueueInUse => ApiError::QueueInUse,
            Refusal::TooManyQueues => ApiError::TooManyQueues,
            Refusal::TooManyLanes => ApiError::TooManyLanes,
            Refusal::NoSuchOperation => ApiError::NoSuchOperation,
            Refusal::TooManyOperations => ApiError::TooManyOperations,
            Refusal::KeyReused => ApiError::KeyReused,
            Refusal::OutsideDeadline => ApiError::Unavailable {
                outcome: WriteOutcome::NotApplied,
                message: "the request reached the log after its deadline",
            },
            Refusal::Invalid { field } => ApiError::invalid(field, ranges::allowed(field)),
            Refusal::IdTaken => {
                tracing::error!("a job id that this node drew is taken: its source of randomness is broken");
                ApiError::Internal
            }
        }
    }
}

impl From<Full> for ApiError {
    fn from(full: Full) -> ApiError {
        match full {
            Full::All => ApiError::Overloaded,
            Full::Own => ApiError::CallerOverloaded,
        }
    }
}

impl From<Unavailable> for ApiError {
    fn from(unavailable: Unavailable) -> ApiError {
        match unavailable {
            Unavailable::Overloaded => ApiError::Overloaded,
            Unavailable::DiskFull => ApiError::DiskFull,
            Unavailable::NotApplied => ApiError::Unavailable {
                outcome: WriteOutcome::NotApplied,
                message: "no leader or no majority could be reached in time",
            },
            Unavailable::NotUnderstood => ApiError::Unavailable {
                outcome: WriteOutcome::NotApplied,
                message: "some nodes of the cluster run an older version that does not understand this",
            },
            Unavailable::NotMember => ApiError::Unavailable {
                outcome: WriteOutcome::NotApplied,
                message: "this node is no member of the cluster: ask another one; this one's /readyz says why",
            },
            Unavailable::Unknown => ApiError::Unavailable {
                outcome: WriteOutcome::Unknown,
                message: "the cluster gave no answer in time",
            },
            Unavailable::Stopping => {
                ApiError::Unavailable { outcome: WriteOutcome::NotApplied, message: "this node is stopping" }
            }
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if let Some(refusals) = self.refusals() {
            refusals.increment(1);
        }
        let (fields, outcome) = match &self {
            ApiError::Invalid { fields, .. } => (Some(fields.to_string()), None),
            ApiError::Unavailable { outcome, .. } => (None, Some(*outcome)),
            ApiError::BodyTooSlow
            | ApiError::Overloaded
            | ApiError::CallerOverloaded
            | ApiError::CallerTooFast { .. }
            | ApiError::BackupUnderWay
            | ApiError::TooManyLanes
            | ApiError::TooManyOperations
            | ApiError::DiskFull
            | ApiError::Draining
            | ApiError::NotWell { .. } => (None, Some(WriteOutcome::NotApplied)),
            ApiError::Unauthenticated { .. }
            | ApiError::Forbidden { .. }
            | ApiError::Misdirected
            | ApiError::OtherSite
            | ApiError::NoSuchRoute { .. }
            | ApiError::NoSuchJob
            | ApiError::NoSuchImage
            | ApiError::NoSuchQueue
            | ApiError::NoSuchOperation
            | ApiError::OperationForgotten
            | ApiError::NoLogYet { .. }
            | ApiError::MethodNotAllowed { .. }
            | ApiError::WrongStatus { .. }
            | ApiError::RetriedAutomatically
            | ApiError::ReleasedTooOften
            | ApiError::QueueInUse
            | ApiError::TooManyQueues
            | ApiError::KeyReused
            | ApiError::TooLarge { .. }
            | ApiError::UnsupportedMediaType { .. }
            | ApiError::HeaderTooLarge
            | ApiError::Internal
            | ApiError::NoSuchMember { .. }
            | ApiError::Refused { .. }
            | ApiError::UnsupportedTransferEncoding => (None, None),
        };
        let status = self.status();
        let body = ErrorWrapper { error: Error { message: self.message().into_owned(), fields }, outcome };
        let mut response = response::json(status, None, &body);
        if status == StatusCode::UNAUTHORIZED {
            let bearer = HeaderValue::from_static("Bearer realm=\"quorate\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
        }
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            let seconds = if let ApiError::CallerTooFast { seconds, .. } = self {
                seconds
            } else {
                RETRY_AFTER_SECONDS
            };
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// What a handler answers.
pub(crate) type Answer = Result<Response, Failure>;

/// An error, with the place in the log that it stands for where there is one.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: ApiError,
    pub(crate) index: Option<Index>,
}

impl<E: Into<ApiError>> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure { error: error.into(), index: None }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = self.error.into_response();
        response::set_index(&mut response, self.index);
        response
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// One of every kind. `must_be_listed` does not compile until a new kind has been thought of.
    fn one_of_every_kind() -> Vec<ApiError> {
        fn must_be_listed(error: &ApiError) {
            match error {
                ApiError::Invalid { .. }
                | ApiError::Unauthenticated { .. }
                | ApiError::Forbidden { .. }
                | ApiError::Misdirected
                | ApiError::OtherSite
                | ApiError::NoSuchRoute { .. }
                | ApiError::NoSuchJob
                | ApiError::NoSuchImage
                | ApiError::NoSuchQueue
                | ApiError::NoSuchOperation
                | ApiError::OperationForgotten
                | ApiError::NoLogYet { .. }
                | ApiError::MethodNotAllowed { .. }
                | ApiError::BodyTooSlow
                | ApiError::WrongStatus { .. }
                | ApiError::RetriedAutomatically
                | ApiError::ReleasedTooOften
                | ApiError::QueueInUse
                | ApiError::TooManyQueues
                | ApiError::TooManyLanes
                | ApiError::TooManyOperations
                | ApiError::KeyReused
                | ApiError::TooLarge { .. }
                | ApiError::UnsupportedMediaType { .. }
                | ApiError::HeaderTooLarge
                | ApiError::Overloaded
                | ApiError::CallerOverloaded
                | ApiError::CallerTooFast { .. }
                | ApiError::BackupUnderWay
                | ApiError::Internal
                | ApiError::UnsupportedTransferEncoding
                | ApiError::Unavailable { .. }
                | ApiError::DiskFull
                | ApiError::Draining
                | ApiError::NoSuchMember { .. }
                | ApiError::Refused { .. }
                | ApiError::NotWell { .. } => {}
            }
        }
        let all = vec![
            ApiError::invalid("n", "no"),
            ApiError::Unauthenticated { reason: "no" },
            ApiError::Forbidden { token: "t".into(), needs: "`run`".into() },
            ApiError::Misdirected,
            ApiError::OtherSite,
            ApiError::NoSuchRoute { meant: None },
            ApiError::NoSuchJob,
            ApiError::NoSuchImage,
            ApiError::NoSuchQueue,
            ApiError::NoSuchOperation,
            ApiError::OperationForgotten,
            ApiError::NoLogYet { status: Status::Running },
            ApiError::MethodNotAllowed { takes: "GET".into() },
            ApiError::BodyTooSlow,
            ApiError::WrongStatus { status: Status::Success },
            ApiError::RetriedAutomatically,
            ApiError::ReleasedTooOften,
            ApiError::QueueInUse,
            ApiError::TooManyQueues,
            ApiError::TooManyLanes,
            ApiError::TooManyOperations,
            ApiError::KeyReused,
            ApiError::TooLarge { what: "body", limit: 1, unit: "bytes" },
            ApiError::UnsupportedMediaType { accepted: "JSON" },
            ApiError::HeaderTooLarge,
            ApiError::Overloaded,
            ApiError::CallerOverloaded,
            ApiError::CallerTooFast { rate: 1, seconds: 7 },
            ApiError::BackupUnderWay,
            ApiError::Internal,
            ApiError::UnsupportedTransferEncoding,
            ApiError::from(Unavailable::Unknown),
            ApiError::DiskFull,
            ApiError::Draining,
            ApiError::NotWell { message: "no".into() },
            ApiError::NoSuchMember { message: "no".into() },
            ApiError::Refused { message: "no".into() },
        ];
        all.iter().for_each(must_be_listed);
        all
    }

    #[test]
    fn the_documented_table_has_exactly_these_codes() {
        let produced: BTreeSet<u16> =
            one_of_every_kind().iter().map(|error| error.status().as_u16()).collect();
        let documented: BTreeSet<u16> = include_str!("../../../docs/http-status-codes.md")
            .lines()
            .filter_map(|line| line.strip_prefix("| ")?.split(' ').next()?.parse().ok())
            .filter(|code| *code >= 400)
            .collect();
        assert_eq!(documented, produced);
    }

    #[test]
    fn only_429_and_503_say_when_to_come_back() {
        for error in one_of_every_kind() {
            let response = error.clone().into_response();
            let expected = matches!(response.status().as_u16(), 429 | 503);
            assert_eq!(response.headers().contains_key("retry-after"), expected, "{error:?}");
            assert_eq!(response.headers()["content-type"], "application/json", "{error:?}");
        }
    }
}
