/// Why a call failed, by what the caller can do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The cluster said no. Nothing was done, nor by an attempt whose answer was lost, and the same call again would be refused again.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// No node carried it out within the deadline, and certainly nothing was done: call again later.
    #[error("no node could do it: {0}")]
    Unavailable(String),
    /// No node took a connection: nothing listens at these addresses, or nothing leads there. Nothing was done.
    #[error("no node can be reached: {0}")]
    Unreachable(String),
    /// No node could be spoken to securely: its certificate is not one to trust, or it does not take this client's. Nothing was
    /// done.
    #[error("no secure connection: {0}")]
    Tls(String),
    /// It may or may not have been done. Look before you repeat it.
    #[error("the outcome is not known: {0}")]
    Unknown(String),
    /// The answer is not one of this API: something else listens there, or the versions do not fit. It was a read, or nothing
    /// was done.
    #[error("unexpected answer: {0}")]
    Protocol(String),
    /// The client was set up with something that cannot work. Nothing was sent.
    #[error("{0}")]
    Config(String),
}

impl Error {
    /// Certainly nothing was done, and the same call may go well later.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Error::Unavailable(_) | Error::Unreachable(_) | Error::Tls(_))
    }

    /// What was refused and why, if that is what happened.
    pub fn refused(&self) -> Option<&Refused> {
        match self {
            Error::Refused(refused) => Some(refused),
            Error::Unavailable(_)
            | Error::Unreachable(_)
            | Error::Tls(_)
            | Error::Unknown(_)
            | Error::Protocol(_)
            | Error::Config(_) => None,
        }
    }
}

/// What one node said, or what came in its place, when it was asked whether it is well.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{says}")]
pub struct NotWell {
    pub(crate) says: String,
    /// It took no connection: nothing listens there.
    pub is_unreachable: bool,
}

/// A refusal as the cluster gave it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refused {
    /// What kind of no it is.
    pub kind: RefusedKind,
    /// The HTTP status.
    pub status: u16,
    /// The server's own words, which name the fields that were wrong.
    pub message: String,
    /// The fields that were wrong, as `jobs[1].priority`.
    pub fields: Option<String>,
}

/// The kinds of refusals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedKind {
    /// 400, 405, 411, 414, 415, 422, 431: malformed or invalid. Fix the request.
    Invalid,
    /// 401, 403: no token, a wrong one, or one without that right.
    Unauthorized,
    /// 404: no such job, image or log.
    NotFound,
    /// 409: the job's status does not allow it (a worker stops working on the job), or the `Idempotency-Key` was used
    /// for something else.
    Conflict,
    /// 413: a body, payload or log over its limit.
    TooLarge,
}
