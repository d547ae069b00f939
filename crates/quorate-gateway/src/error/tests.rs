use std::collections::BTreeSet;

use axum::response::IntoResponse;
use quorate_core::{Status, Unavailable};

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
            | ApiError::RetriedAutomatically { .. }
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
        ApiError::RetriedAutomatically { last: None },
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
    let produced: BTreeSet<u16> = one_of_every_kind().iter().map(|error| error.status().as_u16()).collect();
    let documented: BTreeSet<u16> = include_str!("../../../../docs/http-status-codes.md")
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
