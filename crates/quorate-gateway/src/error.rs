//! The one place where an outcome becomes a status code: [`ApiError::shape`]. `docs/http-status-codes.md` is the table for people;
//! `tests` holds the two together.

mod answer;
mod from;
mod shape;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use axum::http::StatusCode;
use quorate_api::WriteOutcome;
use quorate_core::{JobId, Status};

use crate::limits;
use crate::quote::{quoted, shortened};
pub(crate) use answer::{Answer, Failure};

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
    /// Others went on from a job by themselves, and have ended.
    RetriedAutomatically {
        /// The last job that goes on from it, as it is now, where that is known.
        last: Option<(JobId, Status)>,
    },
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

    /// Whether what was asked for may have been done all the same.
    pub(crate) fn is_unknown(&self) -> bool {
        matches!(self, ApiError::Unavailable { outcome: WriteOutcome::Unknown, .. })
    }

    /// Its status code.
    pub(crate) fn status(&self) -> StatusCode {
        self.shape().status
    }

    /// For people.
    pub(crate) fn message(&self) -> Cow<'static, str> {
        self.shape().message
    }
}
