use quorate_core::{AnswerRecord, JobId, OperationId, Position, Refusal, Remembered, RequestId, Timestamp};

use super::fields;
use crate::Malformed;
use crate::log::v1 as pb;
use crate::log::v1::ended::Outcome as Ended;
use crate::log::v1::refusal::Kind;
use crate::log::v1::remembered::Kind as Message;

/// The message of one remembered answer.
pub fn answered_value(request_id: RequestId, record: &AnswerRecord) -> pb::Answer {
    pb::Answer {
        request_id: Some(request_id.0.into()),
        deadline_ms: record.deadline.0,
        index: record.position.index,
        offset: record.position.offset,
        answer: Some((&record.answer).into()),
        replayed: record.replayed,
    }
}

impl TryFrom<pb::Answer> for (RequestId, AnswerRecord) {
    type Error = Malformed;

    fn try_from(answer: pb::Answer) -> Result<Self, Malformed> {
        let record = AnswerRecord {
            deadline: Timestamp(answer.deadline_ms),
            position: Position { index: answer.index, offset: answer.offset },
            replayed: answer.replayed,
            answer: answer
                .answer
                .ok_or(Malformed::Field { message: "Answer", field: "answer" })?
                .try_into()?,
        };
        Ok((RequestId(fields::id("Answer", "request_id", answer.request_id)?), record))
    }
}

impl From<&Remembered> for pb::Remembered {
    fn from(answer: &Remembered) -> pb::Remembered {
        let kind = match answer {
            Remembered::Enqueued { jobs, duplicates } => Message::Enqueued(pb::Enqueued {
                jobs: Some(fields::ids_out(jobs)),
                duplicates: duplicates.clone(),
            }),
            Remembered::Released(ids) => Message::Released(fields::ids_out(ids)),
            Remembered::Consumed(ids) => Message::Consumed(fields::ids_out(ids)),
            Remembered::Finished { ended, taken } => Message::Finished(pb::Finished {
                ended: ended.iter().map(pb::Ended::from).collect(),
                taken: Some(fields::ids_out(taken)),
            }),
            Remembered::Job(id) => Message::Job(id.0.into()),
            Remembered::Operation(id) => Message::Operation(id.0.into()),
            Remembered::Done => Message::Done(pb::Done {}),
            Remembered::Refused(refusal) => Message::Refused(refusal.into()),
        };
        pb::Remembered { kind: Some(kind) }
    }
}

impl TryFrom<pb::Remembered> for Remembered {
    type Error = Malformed;

    fn try_from(answer: pb::Remembered) -> Result<Remembered, Malformed> {
        Ok(match answer.kind.ok_or(Malformed::Field { message: "Remembered", field: "kind" })? {
            Message::Enqueued(enqueued) => Remembered::Enqueued {
                jobs: fields::ids_in(
                    &enqueued.jobs.ok_or(Malformed::Field { message: "Enqueued", field: "jobs" })?,
                )?,
                duplicates: enqueued.duplicates,
            },
            Message::Released(ids) => Remembered::Released(fields::ids_in(&ids)?),
            Message::Consumed(ids) => Remembered::Consumed(fields::ids_in(&ids)?),
            Message::Finished(finished) => Remembered::Finished {
                ended: finished.ended.into_iter().map(ended_in).collect::<Result<_, _>>()?,
                taken: fields::ids_in(
                    &finished.taken.ok_or(Malformed::Field { message: "Finished", field: "taken" })?,
                )?,
            },
            Message::Job(id) => Remembered::Job(JobId(id.into())),
            Message::Operation(id) => Remembered::Operation(OperationId(id.into())),
            Message::Done(pb::Done {}) => Remembered::Done,
            Message::Refused(refusal) => Remembered::Refused(refusal.try_into()?),
        })
    }
}

impl From<&Result<JobId, Refusal>> for pb::Ended {
    fn from(ended: &Result<JobId, Refusal>) -> pb::Ended {
        let outcome = match ended {
            Ok(id) => Ended::Job(id.0.into()),
            Err(refusal) => Ended::Refused(refusal.into()),
        };
        pb::Ended { outcome: Some(outcome) }
    }
}

fn ended_in(ended: pb::Ended) -> Result<Result<JobId, Refusal>, Malformed> {
    match ended.outcome.ok_or(Malformed::Field { message: "Ended", field: "outcome" })? {
        Ended::Job(id) => Ok(Ok(JobId(id.into()))),
        Ended::Refused(refusal) => Ok(Err(refusal.try_into()?)),
    }
}

impl From<&Refusal> for pb::Refusal {
    fn from(refusal: &Refusal) -> pb::Refusal {
        let mut message = pb::Refusal::default();
        let kind = match refusal {
            Refusal::NoSuchJob => Kind::NoSuchJob,
            Refusal::WrongStatus { status } => {
                message.status = fields::status_out(*status);
                Kind::WrongStatus
            }
            Refusal::RetriedAutomatically => Kind::RetriedAutomatically,
            Refusal::KeyReused => Kind::KeyReused,
            Refusal::OutsideDeadline => Kind::OutsideDeadline,
            Refusal::Invalid { field } => {
                message.field = (*field).to_owned();
                Kind::Invalid
            }
            Refusal::IdTaken => Kind::IdTaken,
            Refusal::ReleasedTooOften => Kind::ReleasedTooOften,
            Refusal::NoSuchQueue => Kind::NoSuchQueue,
            Refusal::QueueInUse => Kind::QueueInUse,
            Refusal::TooManyQueues => Kind::TooManyQueues,
            Refusal::TooManyLanes => Kind::TooManyLanes,
            Refusal::NoSuchOperation => Kind::NoSuchOperation,
            Refusal::TooManyOperations => Kind::TooManyOperations,
        };
        message.kind = kind.into();
        message
    }
}

impl TryFrom<pb::Refusal> for Refusal {
    type Error = Malformed;

    fn try_from(refusal: pb::Refusal) -> Result<Refusal, Malformed> {
        match Kind::try_from(refusal.kind) {
            Ok(Kind::NoSuchJob) => Ok(Refusal::NoSuchJob),
            Ok(Kind::WrongStatus) => {
                Ok(Refusal::WrongStatus { status: fields::status_in("Refusal", refusal.status)? })
            }
            Ok(Kind::RetriedAutomatically) => Ok(Refusal::RetriedAutomatically),
            Ok(Kind::KeyReused) => Ok(Refusal::KeyReused),
            Ok(Kind::OutsideDeadline) => Ok(Refusal::OutsideDeadline),
            Ok(Kind::Invalid) => Ok(Refusal::Invalid { field: field_name(&refusal.field)? }),
            Ok(Kind::IdTaken) => Ok(Refusal::IdTaken),
            Ok(Kind::ReleasedTooOften) => Ok(Refusal::ReleasedTooOften),
            Ok(Kind::NoSuchQueue) => Ok(Refusal::NoSuchQueue),
            Ok(Kind::QueueInUse) => Ok(Refusal::QueueInUse),
            Ok(Kind::TooManyQueues) => Ok(Refusal::TooManyQueues),
            Ok(Kind::TooManyLanes) => Ok(Refusal::TooManyLanes),
            Ok(Kind::NoSuchOperation) => Ok(Refusal::NoSuchOperation),
            Ok(Kind::TooManyOperations) => Ok(Refusal::TooManyOperations),
            Ok(Kind::Unspecified) => Err(Malformed::Field { message: "Refusal", field: "kind" }),
            Err(_) => Err(Malformed::NewerField { message: "Refusal", field: "kind" }),
        }
    }
}

/// The field names that apply refuses by: static in the core, hence looked up.
fn field_name(name: &str) -> Result<&'static str, Malformed> {
    let known = quorate_core::limits::FIELDS.iter().copied().find(|known| *known == name);
    known.ok_or(Malformed::NewerField { message: "Refusal", field: "field" })
}
