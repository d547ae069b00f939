use quorate_api::WriteOutcome;
use quorate_core::{Refusal, Unavailable};

use super::ApiError;
use crate::memory::Full;
use crate::ranges;

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> ApiError {
        match refusal {
            Refusal::NoSuchJob => ApiError::NoSuchJob,
            Refusal::WrongStatus { status } => ApiError::WrongStatus { status },
            Refusal::RetriedAutomatically => ApiError::RetriedAutomatically { last: None },
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
