use quorate_node::{Answering, Found, FoundMember, Lost, Place, Recovered};
use serde::Serialize;

/// For machines.
#[derive(Serialize)]
pub(super) struct Shown<'a> {
    name: &'a str,
    node_id: String,
    cluster_id: &'a str,
    members: Vec<Member<'a>>,
    /// The ids of the voters: two sets where a change of them was under way, and a majority of each must agree.
    voter_sets: Vec<Vec<String>>,
    last: Option<Shape>,
    committed: Option<Shape>,
    applied: Option<Shape>,
    marked: Option<Shape>,
    has_lost: bool,
    /// Of what: `entries`, or the `vote` alone.
    lost: Option<&'static str>,
    removed: bool,
    recovered: Option<Done<'a>>,
}

#[derive(Serialize)]
struct Member<'a> {
    name: &'a str,
    id: String,
    peer_addr: &'a str,
    votes: bool,
    answers: bool,
    last: Option<Shape>,
    applied_index: Option<u64>,
}

#[derive(Serialize)]
struct Shape {
    term: u64,
    index: u64,
}

#[derive(Serialize)]
struct Done<'a> {
    cluster_id: &'a str,
    index: u64,
}

pub(super) fn shown<'a>(
    found: &'a Found,
    answering: &'a [Answering],
    recovered: Option<&'a Recovered>,
) -> Shown<'a> {
    let shape = |place: Option<Place>| place.map(|Place { term, index }| Shape { term, index });
    let answer = |id| {
        answering.iter().find_map(|answer| match answer {
            Answering::Member { member, last, applied_index } if member.id == id => {
                Some((*last, *applied_index))
            }
            Answering::Member { .. }
            | Answering::Newcomer { .. }
            | Answering::Itself { .. }
            | Answering::Masked { .. }
            | Answering::Successor { .. } => None,
        })
    };
    let member = |member: &'a FoundMember| Member {
        name: &member.name,
        id: member.id.to_string(),
        peer_addr: &member.peer_addr,
        votes: member.votes,
        answers: answer(member.id).is_some(),
        last: answer(member.id).and_then(|(last, _)| shape(last)),
        applied_index: answer(member.id).map(|(_, applied)| applied),
    };
    Shown {
        name: &found.name,
        node_id: found.node_id.to_string(),
        cluster_id: &found.cluster_id,
        members: found.members.iter().map(member).collect(),
        voter_sets: found
            .voter_sets
            .iter()
            .map(|voters| voters.iter().map(ToString::to_string).collect())
            .collect(),
        last: shape(found.last),
        committed: shape(found.committed),
        applied: shape(found.applied),
        marked: shape(found.marked),
        has_lost: found.lost.is_some(),
        lost: found.lost.map(|lost| match lost {
            Lost::Entries => "entries",
            Lost::Vote => "vote",
        }),
        removed: found.removed,
        recovered: recovered
            .map(|recovered| Done { cluster_id: &recovered.cluster_id, index: recovered.last.index }),
    }
}
