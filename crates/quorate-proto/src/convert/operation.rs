use quorate_core::{Operation, OperationId, OperationState, Selection, Timestamp};

use super::fields;
use crate::Malformed;
use crate::log::v1 as pb;
use crate::log::v1::selection::Kind;

impl From<&Operation> for pb::Operation {
    fn from(operation: &Operation) -> pb::Operation {
        pb::Operation {
            id: Some(operation.id.0.into()),
            action: fields::action_out(operation.action),
            details: operation.details.to_string(),
            selection: Some((&operation.selection).into()),
            number: operation.number,
            cursor: operation.cursor,
            state: state_out(operation.state),
            done: operation.done,
            skipped: operation.skipped,
            started_at_ms: operation.started_at.0,
            ended_at_ms: operation.ended_at.map(|at| at.0),
            words: operation.words.to_string(),
        }
    }
}

impl TryFrom<pb::Operation> for Operation {
    type Error = Malformed;

    fn try_from(operation: pb::Operation) -> Result<Operation, Malformed> {
        Ok(Operation {
            id: OperationId(fields::id("Operation", "id", operation.id)?),
            action: fields::action_in("Operation", operation.action)?,
            details: operation.details.into(),
            selection: operation
                .selection
                .ok_or(Malformed::Field { message: "Operation", field: "selection" })?
                .try_into()?,
            words: operation.words.into(),
            number: operation.number,
            cursor: operation.cursor,
            state: state_in(operation.state)?,
            done: operation.done,
            skipped: operation.skipped,
            started_at: Timestamp(operation.started_at_ms),
            ended_at: operation.ended_at_ms.map(Timestamp),
        })
    }
}

impl From<&Selection> for pb::Selection {
    fn from(selection: &Selection) -> pb::Selection {
        let kind = match selection {
            Selection::Filter(filter) => Kind::Filter(filter.into()),
            Selection::Ids(ids) => Kind::Ids(fields::ids_out(ids)),
        };
        pb::Selection { kind: Some(kind) }
    }
}

impl TryFrom<pb::Selection> for Selection {
    type Error = Malformed;

    fn try_from(selection: pb::Selection) -> Result<Selection, Malformed> {
        Ok(match selection.kind.ok_or(Malformed::Field { message: "Selection", field: "kind" })? {
            Kind::Filter(filter) => Selection::Filter(filter.try_into()?),
            Kind::Ids(ids) => Selection::Ids(fields::ids_in(&ids)?),
        })
    }
}

fn state_out(state: OperationState) -> i32 {
    match state {
        OperationState::Running => pb::OperationState::Running,
        OperationState::Done => pb::OperationState::Done,
        OperationState::Stopped => pb::OperationState::Stopped,
    }
    .into()
}

fn state_in(number: i32) -> Result<OperationState, Malformed> {
    match pb::OperationState::try_from(number) {
        Ok(pb::OperationState::Running) => Ok(OperationState::Running),
        Ok(pb::OperationState::Done) => Ok(OperationState::Done),
        Ok(pb::OperationState::Stopped) => Ok(OperationState::Stopped),
        Ok(pb::OperationState::Unspecified) => Err(Malformed::Field { message: "Operation", field: "state" }),
        Err(_) => Err(Malformed::NewerField { message: "Operation", field: "state" }),
    }
}
