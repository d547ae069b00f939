//! openraft's requests and answers as messages.

use bytes::Bytes;
use openraft::EntryPayload;
use openraft::raft::{
    AppendEntriesRequest, StreamAppendError, StreamAppendResult, TransferLeaderError, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use prost::Message;
use quorate_core::Timestamp;
use quorate_proto::{Malformed, log::v1 as log, peer::v1 as pb};
use quorate_store::{Entry, LogId, ProtoForm, TypeConfig, Vote};

use crate::time::clock::{Knowledge, LogClock};

fn vote(message: Option<log::Vote>, of: &'static str, field: &'static str) -> Result<Vote, Malformed> {
    Vote::from_message(message.ok_or(Malformed::Field { message: of, field })?)
}

fn log_id(message: Option<log::LogId>) -> Result<Option<LogId>, Malformed> {
    message.map(LogId::from_message).transpose()
}

fn log_id_message(log_id: Option<&LogId>) -> Option<log::LogId> {
    log_id.map(LogId::to_message)
}

pub(crate) fn append_frame(
    request: &AppendEntriesRequest<TypeConfig>,
    log_time: Option<Timestamp>,
) -> pb::AppendFrame {
    pb::AppendFrame {
        vote: Some(request.vote.to_message()),
        prev_log_id: log_id_message(request.prev_log_id.as_ref()),
        entries: request.entries.iter().map(|entry| entry.to_message().encode_to_vec().into()).collect(),
        leader_commit: log_id_message(request.leader_commit.as_ref()),
        log_time_ms: log_time.map_or(0, |time| time.0),
    }
}

/// About the bytes of the entries of a request.
pub(crate) fn entry_bytes(request: &AppendEntriesRequest<TypeConfig>) -> u64 {
    const FRAME: usize = 64;
    let bytes = request.entries.iter().map(|entry| match &entry.payload {
        EntryPayload::Normal(batch) => batch.0.len() + FRAME,
        EntryPayload::Blank | EntryPayload::Membership(_) => FRAME,
    });
    bytes.sum::<usize>() as u64
}

pub(crate) fn append_request(frame: pb::AppendFrame) -> Result<AppendEntriesRequest<TypeConfig>, Malformed> {
    Ok(AppendEntriesRequest {
        vote: vote(frame.vote, "AppendFrame", "vote")?,
        prev_log_id: log_id(frame.prev_log_id)?,
        entries: frame.entries.into_iter().map(entry).collect::<Result<_, _>>()?,
        leader_commit: log_id(frame.leader_commit)?,
    })
}

/// What its batch says is looked at by `sound.rs`.
fn entry(bytes: Bytes) -> Result<Entry, Malformed> {
    quorate_proto::decode_entry(bytes).and_then(Entry::from_message)
}

pub(crate) fn append_result_message(result: &StreamAppendResult<TypeConfig>) -> pb::AppendResult {
    use pb::append_result::Result as R;
    let result = match result {
        Ok(matched) => R::Matched(pb::Matched { log_id: log_id_message(matched.as_ref()) }),
        Err(StreamAppendError::Conflict(at)) => R::Conflict(at.to_message()),
        Err(StreamAppendError::HigherVote(vote)) => R::HigherVote(vote.to_message()),
    };
    pb::AppendResult { result: Some(result) }
}

pub(crate) fn append_result(message: pb::AppendResult) -> Result<StreamAppendResult<TypeConfig>, Malformed> {
    use pb::append_result::Result as R;
    let result = message.result.ok_or(Malformed::Field { message: "AppendResult", field: "result" })?;
    Ok(match result {
        R::Matched(matched) => Ok(log_id(matched.log_id)?),
        R::Conflict(at) => Err(StreamAppendError::Conflict(LogId::from_message(at)?)),
        R::HigherVote(vote) => Err(StreamAppendError::HigherVote(Vote::from_message(vote)?)),
    })
}

pub(crate) fn vote_request_message(request: &VoteRequest<TypeConfig>) -> pb::VoteRequest {
    pb::VoteRequest {
        vote: Some(request.vote.to_message()),
        last_log_id: log_id_message(request.last_log_id.as_ref()),
        leadership_transfer: request.leadership_transfer,
    }
}

/// The vote of the node that asks.
pub(crate) fn read_index_request(message: pb::ReadIndexRequest) -> Result<Vote, Malformed> {
    let vote = message.vote.ok_or(Malformed::Field { message: "ReadIndexRequest", field: "vote" })?;
    Vote::from_message(vote)
}

pub(crate) fn vote_request(message: pb::VoteRequest) -> Result<VoteRequest<TypeConfig>, Malformed> {
    let mut request =
        VoteRequest::new(vote(message.vote, "VoteRequest", "vote")?, log_id(message.last_log_id)?);
    request.leadership_transfer = message.leadership_transfer;
    Ok(request)
}

pub(crate) fn vote_response_message(
    response: &VoteResponse<TypeConfig>,
    clock: &LogClock,
) -> pb::VoteResponse {
    pb::VoteResponse {
        vote: Some(response.vote.to_message()),
        granted: response.vote_granted,
        last_log_id: log_id_message(response.last_log_id.as_ref()),
        wall_ms: clock.wall_ms(),
        log_time: clock.knowledge().map(log_time_message),
    }
}

pub(crate) fn log_time_message(known: Knowledge) -> pb::LogTime {
    pb::LogTime { term: known.term, time_ms: known.time.0, stopped: !known.goes_on }
}

pub(crate) fn log_time(message: pb::LogTime) -> Knowledge {
    Knowledge { term: message.term, goes_on: !message.stopped, time: Timestamp(message.time_ms) }
}

pub(crate) fn vote_response(message: pb::VoteResponse) -> Result<VoteResponse<TypeConfig>, Malformed> {
    let last = log_id(message.last_log_id)?;
    Ok(VoteResponse::new(vote(message.vote, "VoteResponse", "vote")?, last, message.granted))
}

pub(crate) fn transfer_request_message(
    request: &TransferLeaderRequest<TypeConfig>,
) -> pb::TransferLeaderRequest {
    pb::TransferLeaderRequest {
        from_leader: Some(request.from_leader().to_message()),
        to_node_id: *request.to_node_id(),
        last_log_id: log_id_message(request.last_log_id()),
    }
}

pub(crate) fn transfer_request(
    message: pb::TransferLeaderRequest,
) -> Result<TransferLeaderRequest<TypeConfig>, Malformed> {
    let from = vote(message.from_leader, "TransferLeaderRequest", "from_leader")?;
    Ok(TransferLeaderRequest::new(from, message.to_node_id, log_id(message.last_log_id)?))
}

pub(crate) fn transfer_response_message(
    response: &TransferLeaderResponse<TypeConfig>,
) -> pb::TransferLeaderResponse {
    use pb::transfer_leader_response::{LogNotFlushed, Refused, VoteChanged};
    let refused = match response {
        Ok(()) => None,
        Err(TransferLeaderError::VoteChanged { expected, actual }) => {
            let (expected, actual) = (Some(expected.to_message()), Some(actual.to_message()));
            Some(Refused::VoteChanged(VoteChanged { expected, actual }))
        }
        Err(TransferLeaderError::LogNotFlushed { expected, actual }) => {
            let (expected, actual) = (log_id_message(expected.as_ref()), log_id_message(actual.as_ref()));
            Some(Refused::LogNotFlushed(LogNotFlushed { expected, actual }))
        }
    };
    pb::TransferLeaderResponse { refused }
}

pub(crate) fn transfer_response(
    message: pb::TransferLeaderResponse,
) -> Result<TransferLeaderResponse<TypeConfig>, Malformed> {
    use pb::transfer_leader_response::Refused;
    Ok(match message.refused {
        None => Ok(()),
        Some(Refused::VoteChanged(changed)) => Err(TransferLeaderError::VoteChanged {
            expected: vote(changed.expected, "VoteChanged", "expected")?,
            actual: vote(changed.actual, "VoteChanged", "actual")?,
        }),
        Some(Refused::LogNotFlushed(behind)) => Err(TransferLeaderError::LogNotFlushed {
            expected: log_id(behind.expected)?,
            actual: log_id(behind.actual)?,
        }),
    })
}
