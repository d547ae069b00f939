//! The checks that several messages share.

use quorate_core::{Action, JobId, Priority, QueueName, Reason, Status, are_tags, limits};

use crate::Malformed;
use crate::log::v1 as pb;

impl From<[u8; 16]> for pb::Id {
    fn from(bytes: [u8; 16]) -> pb::Id {
        let number = u128::from_be_bytes(bytes);
        pb::Id { high: (number >> 64) as u64, low: number as u64 }
    }
}

impl From<pb::Id> for [u8; 16] {
    fn from(id: pb::Id) -> [u8; 16] {
        (u128::from(id.high) << 64 | u128::from(id.low)).to_be_bytes()
    }
}

/// The bytes of an id that must be there.
pub(super) fn id(
    message: &'static str,
    field: &'static str,
    id: Option<pb::Id>,
) -> Result<[u8; 16], Malformed> {
    id.map(Into::into).ok_or(Malformed::Field { message, field })
}

/// A SHA-256.
pub(super) fn hash(message: &'static str, field: &'static str, bytes: &[u8]) -> Result<[u8; 32], Malformed> {
    bytes.try_into().map_err(|_| Malformed::Field { message, field })
}

/// A queue's name; nothing for the default one.
pub(super) fn queue_out(name: &QueueName) -> String {
    if name.is_default() { String::new() } else { name.as_str().to_owned() }
}

/// The name that this says.
pub(super) fn queue(message: &'static str, name: &str) -> Result<QueueName, Malformed> {
    if name.is_empty() {
        return Ok(QueueName::DEFAULT);
    }
    // There is one way to write each name.
    let name = QueueName::new(name).filter(|name| !name.is_default());
    name.ok_or(Malformed::Field { message, field: "queue" })
}

/// The key of a job that is kept.
pub(super) fn key(message: &'static str, key: String) -> Result<Box<str>, Malformed> {
    if key.len() > limits::JOB_KEY_BYTES {
        return Err(Malformed::Field { message, field: "key" });
    }
    Ok(key.into())
}

/// The tags of a job that is kept.
pub(super) fn tags(message: &'static str, tags: Vec<String>) -> Result<Box<[Box<str>]>, Malformed> {
    let tags: Box<[Box<str>]> = tags.into_iter().map(Box::from).collect();
    if are_tags(&tags) { Ok(tags) } else { Err(Malformed::Field { message, field: "tags" }) }
}

/// 0, 1 or 2.
pub(super) fn priority(message: &'static str, number: u32) -> Result<Priority, Malformed> {
    u8::try_from(number).ok().and_then(Priority::new).ok_or(Malformed::Field { message, field: "priority" })
}

pub(super) fn reason_out(reason: Reason) -> i32 {
    match reason {
        Reason::Timeout => pb::Reason::Timeout,
        Reason::Killed => pb::Reason::Killed,
        Reason::BadExit => pb::Reason::BadExit,
    }
    .into()
}

pub(super) fn reason_in(message: &'static str, number: i32) -> Result<Reason, Malformed> {
    match pb::Reason::try_from(number) {
        Ok(pb::Reason::Timeout) => Ok(Reason::Timeout),
        Ok(pb::Reason::Killed) => Ok(Reason::Killed),
        Ok(pb::Reason::BadExit) => Ok(Reason::BadExit),
        Ok(pb::Reason::Unspecified) => Err(Malformed::Field { message, field: "reason" }),
        Err(_) => Err(Malformed::NewerField { message, field: "reason" }),
    }
}

pub(super) fn action_out(action: Action) -> i32 {
    match action {
        Action::Retry => pb::Action::Retry,
        Action::Cancel => pb::Action::Cancel,
        Action::Delete => pb::Action::Delete,
    }
    .into()
}

pub(super) fn action_in(message: &'static str, number: i32) -> Result<Action, Malformed> {
    match pb::Action::try_from(number) {
        Ok(pb::Action::Retry) => Ok(Action::Retry),
        Ok(pb::Action::Cancel) => Ok(Action::Cancel),
        Ok(pb::Action::Delete) => Ok(Action::Delete),
        Ok(pb::Action::Unspecified) => Err(Malformed::Field { message, field: "action" }),
        Err(_) => Err(Malformed::NewerField { message, field: "action" }),
    }
}

pub(super) fn status_out(status: Status) -> i32 {
    match status {
        Status::Delayed => pb::Status::Delayed,
        Status::Queued => pb::Status::Queued,
        Status::Running => pb::Status::Running,
        Status::Success => pb::Status::Success,
        Status::Error => pb::Status::Error,
        Status::Cancelled => pb::Status::Cancelled,
    }
    .into()
}

pub(super) fn status_in(message: &'static str, number: i32) -> Result<Status, Malformed> {
    match pb::Status::try_from(number) {
        Ok(pb::Status::Delayed) => Ok(Status::Delayed),
        Ok(pb::Status::Queued) => Ok(Status::Queued),
        Ok(pb::Status::Running) => Ok(Status::Running),
        Ok(pb::Status::Success) => Ok(Status::Success),
        Ok(pb::Status::Error) => Ok(Status::Error),
        Ok(pb::Status::Cancelled) => Ok(Status::Cancelled),
        Ok(pb::Status::Unspecified) => Err(Malformed::Field { message, field: "status" }),
        Err(_) => Err(Malformed::NewerField { message, field: "status" }),
    }
}

pub(super) fn ids_out(ids: &[JobId]) -> pb::Ids {
    let numbers = |id: &JobId| {
        let pb::Id { high, low } = id.0.into();
        [high, low]
    };
    pb::Ids { ids: ids.iter().flat_map(numbers).collect() }
}

pub(super) fn ids_in(ids: &pb::Ids) -> Result<Vec<JobId>, Malformed> {
    let (pairs, rest) = ids.ids.as_chunks();
    if !rest.is_empty() {
        return Err(Malformed::Field { message: "Ids", field: "ids" });
    }
    Ok(pairs.iter().map(|&[high, low]| JobId(pb::Id { high, low }.into())).collect())
}
