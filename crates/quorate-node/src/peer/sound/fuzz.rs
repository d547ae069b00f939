//! Whatever a peer says: it is refused, or it is what a node of a cluster could say. `PROPTEST_CASES` says how often.

use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;
use quorate_core::testing::{Workload, mutate};
use quorate_proto::{encode_batch, log::v1 as log, peer::v1 as pb};
use quorate_store::ProtoForm;

use super::*;
use crate::peer::{messages, snapshot};

const OWN: NodeId = 1;
const LEADER: NodeId = 2;
/// The latest time that a node hears of.
const LATEST: Timestamp = Timestamp(u64::MAX / 2);

fn standing() -> Standing {
    let committed = log::LogId { term: 4, index: 90 };
    Standing {
        own_id: OWN,
        vote: Vote::new_committed(5, LEADER),
        committed: LogId::from_message(committed).ok(),
    }
}

fn log_id(terms: std::ops::Range<u64>) -> impl Strategy<Value = log::LogId> {
    let index = prop_oneof![Just(89), Just(90), Just(91), Just(limits::INDEX), Just(u64::MAX), 80..110_u64];
    (terms, index).prop_map(|(term, index)| log::LogId { term, index })
}

fn vote() -> impl Strategy<Value = log::Vote> {
    let term = prop_oneof![4 => 4..8_u64, 1 => Just(u64::MAX), 1 => any::<u64>()];
    let node = prop_oneof![8 => Just(LEADER), 1 => Just(OWN), 1 => any::<u64>()];
    (term, node, prop::bool::weighted(0.8)).prop_map(|(term, node_id, committed)| log::Vote {
        term,
        node_id,
        committed,
    })
}

fn frame() -> impl Strategy<Value = pb::AppendFrame> {
    let entry = (4..7_u64, 0..3_u64, 0..100_u64);
    (vote(), prop::option::of(log_id(4..7)), vec(entry, 0..4), prop::option::of(log_id(3..7)), any::<u64>())
        .prop_map(|(vote, prev_log_id, entries, leader_commit, log_time_ms)| {
            let mut index = prev_log_id.map_or(0, |id| id.index);
            let entries = entries.into_iter().map(|(term, step, seed)| {
                // Mostly one behind the other.
                index = index.wrapping_add(if step == 2 { 2 } else { 1 });
                let batch = Workload::new(seed).next().expect("it never ends").batch;
                let payload = log::entry::Payload::Batch(encode_batch(batch));
                let entry = log::Entry { log_id: Some(log::LogId { term, index }), payload: Some(payload) };
                entry.encode_to_vec().into()
            });
            let (vote, entries) = (Some(vote), entries.collect());
            pb::AppendFrame { vote, prev_log_id, entries, leader_commit, log_time_ms }
        })
}

/// Messages of this kind: as they are, changed a little, or no messages.
pub(in crate::peer) fn message<M: Message + Default + std::fmt::Debug>(
    valid: impl Strategy<Value = M>,
) -> impl Strategy<Value = Option<M>> {
    let nearly = (valid, vec(any::<(u32, u8, u8)>(), 0..4)).prop_map(|(message, changes)| {
        let mut bytes = message.encode_to_vec();
        mutate(&mut bytes, &changes);
        bytes
    });
    prop_oneof![4 => nearly, 1 => vec(any::<u8>(), 0..200)].prop_map(|bytes| M::decode(bytes.as_slice()).ok())
}

fn requests() -> impl Strategy<Value = pb::VoteRequest> {
    (vote(), prop::option::of(log_id(3..8)), any::<bool>()).prop_map(
        |(vote, last_log_id, leadership_transfer)| pb::VoteRequest {
            vote: Some(vote),
            last_log_id,
            leadership_transfer,
        },
    )
}

fn starts() -> impl Strategy<Value = pb::SnapshotStart> {
    (vote(), prop::option::of(log_id(3..8)), prop::option::of(log_id(3..8))).prop_map(
        |(vote, last_log_id, log_id)| {
            let configs = vec![log::VoterSet { node_ids: vec![OWN] }];
            let members = vec![log::Member { node_id: OWN, ..log::Member::default() }];
            let membership = Some(log::Membership { configs, members });
            pb::SnapshotStart {
                vote: Some(vote),
                last_log_id,
                membership: Some(log::StoredMembership { log_id, membership }),
                ..pb::SnapshotStart::default()
            }
        },
    )
}

fn answers() -> impl Strategy<Value = pb::AppendResult> {
    use pb::append_result::Result::{Conflict, HigherVote, Matched};
    prop_oneof![
        prop::option::of(log_id(3..8)).prop_map(|log_id| Matched(pb::Matched { log_id })),
        log_id(3..8).prop_map(Conflict),
        vote().prop_map(HigherVote),
    ]
    .prop_map(|result| pb::AppendResult { result: Some(result) })
}

/// What holds of every log id that Raft hears of.
fn is_possible(id: LogId) -> bool {
    id.index <= limits::INDEX && id.leader_id.term <= limits::TERM
}

proptest! {
    #![proptest_config(ProptestConfig::default())]

    #[test]
    fn frames(frame in message(frame())) {
        let Some(frame) = frame else { return Ok(()) };
        let Ok(request) = messages::append_request(frame.clone()) else { return Ok(()) };
        let content = |entry| content(entry, LATEST, FeatureLevel(1));
        let judged = standing().append(LEADER, &request).and_then(|()| request.entries.iter().try_for_each(content));
        if judged.is_ok() {
            let first = request.prev_log_id.map_or(0, |id| id.index + 1);
            for (entry, index) in request.entries.iter().zip(first..) {
                prop_assert_eq!(entry.log_id.index, index);
                prop_assert!(is_possible(entry.log_id));
                prop_assert!(entry.log_id.leader_id.term <= request.vote.leader_id.term);
            }
            let terms: Vec<u64> = request.entries.iter().map(|entry| entry.log_id.leader_id.term).collect();
            prop_assert!(terms.is_sorted());
            prop_assert_eq!(request.vote, Vote::new_committed(request.vote.leader_id.term, LEADER));
            let log_time = (frame.log_time_ms != 0).then_some(Timestamp(frame.log_time_ms));
            prop_assert_eq!(messages::append_frame(&request, log_time), frame);
        }
    }

    #[test]
    fn votes(request in message(requests()), answer in message(answers())) {
        if let Some(request) = request
            && let Ok(request) = messages::vote_request(request)
            && standing().vote(LEADER, &request).is_ok()
        {
            prop_assert!(!request.vote.committed && request.vote.leader_id.voted_for == LEADER);
            prop_assert!(request.vote.leader_id.term <= 5 + limits::TERMS_AHEAD);
            prop_assert!(request.last_log_id.is_none_or(is_possible));
        }
        if let Some(answer) = answer
            && let Ok(answer) = messages::append_result(answer)
        {
            let last = LogId::from_message(log::LogId { term: 5, index: 91 }).ok();
            let expected = Expected { asker: Vote::new_committed(5, OWN), previous: standing().committed, last };
            if expected.judge(&answer).is_ok() {
                match answer {
                    Ok(matched) => prop_assert_eq!(matched, last),
                    Err(StreamAppendError::Conflict(at)) => prop_assert_eq!(Some(at), expected.previous),
                    Err(StreamAppendError::HigherVote(vote)) => {
                        prop_assert!(vote.leader_id.term <= 5 + limits::TERMS_AHEAD);
                    }
                }
            }
        }
    }

    #[test]
    fn heads_of_snapshots(start in message(starts())) {
        if let Some(start) = start
            && let Ok((vote, meta)) = snapshot::head(start)
            && standing().snapshot(LEADER, &vote, meta.last_log_id, &meta.last_membership).is_ok()
        {
            let last = meta.last_log_id.expect("a snapshot of something");
            prop_assert!(is_possible(last) && last.leader_id.term <= vote.leader_id.term);
            prop_assert!((last.leader_id.term == 4 && last.index == 90) || last.index > 90 || last.leader_id.term <= 4);
            prop_assert!(meta.last_membership.log_id().is_none_or(|id| id.index <= last.index));
        }
    }
}
