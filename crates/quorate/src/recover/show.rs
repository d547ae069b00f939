use std::collections::BTreeSet;
use std::path::Path;

use quorate_node::{Answering, Found, Lost, Place, Recovered};

use super::judge::members;
use crate::number::counted;
use crate::output::Output;

/// What was found, and what a recovery would lose; `not_lost`: why it is not to be done.
pub(super) fn show(
    out: &mut Output,
    found: &Found,
    answering: &[Answering],
    not_lost: Option<&anyhow::Error>,
) {
    // First: what would be lost is of no interest then.
    if let Some(not_lost) = not_lost {
        out.line(format_args!("Not to be done: {not_lost}"));
        out.line("");
    }
    let is_voter = found.members.iter().any(|member| member.id == found.node_id && member.votes);
    let agree =
        |voters: &BTreeSet<u64>| format!("{} of {}", voters.len() / 2 + 1, counted(voters.len(), "voter"));
    let names: Vec<&str> = found.members.iter().map(|member| member.name.as_str()).collect();
    let quorums = found.voter_sets.iter().map(agree).collect::<Vec<_>>().join(" and ");
    let vote = found.vote.map_or_else(
        || "none".to_owned(),
        |(term, id)| {
            let voted = found.members.iter().find(|member| member.id == id);
            format!("for {} in term {term}", voted.map_or("a node that is no member", |member| &member.name))
        },
    );
    let answers = match &*members(answering) {
        [] => "none of them answers now".to_owned(),
        some => {
            let shown = some.iter().map(|(member, last)| format!("{} (up to {})", member.name, place(*last)));
            format!("answering now: {}", shown.collect::<Vec<_>>().join(", "))
        }
    };
    for (name, value) in [
        (
            "node",
            format!(
                "{} (id {}), a {}",
                found.name,
                found.node_id,
                if is_voter { "voter" } else { "learner" }
            ),
        ),
        ("cluster", found.cluster_id.clone()),
        ("members", format!("{}; {quorums} must agree", names.join(", "))),
        ("log", format!("up to {}", place(found.last))),
        (
            "committed",
            format!("{}: the last of which it knows that a majority had it", place(found.committed)),
        ),
        ("table", format!("up to {}", place(found.applied))),
        ("mark", format!("up to {}, what it had promised to keep", place(found.marked))),
        ("vote", vote),
        ("others", answers),
    ] {
        out.line(format_args!("{name:<12} {value}"));
    }
    if not_lost.is_none() {
        show_loss(out, found);
    }
}

fn show_loss(out: &mut Output, found: &Found) {
    let index = |place: Option<Place>| place.map_or(0, |place| place.index);
    let beyond = index(found.last).saturating_sub(index(found.committed));
    out.line("");
    out.line(format_args!(
        "lost         everything that the others acknowledged behind {}: jobs that were enqueued then, and ends of jobs, which run again",
        place(found.last)
    ));
    out.line(format_args!(
        "kept         everything up to there; {} of it may never have been acknowledged, and {} from now on",
        counted(beyond, "entry"),
        if beyond == 1 { "counts" } else { "count" }
    ));
    if found.removed {
        out.line(
            "removed      this node was removed from its cluster, and lacks all that was done since: also what was acknowledged long ago",
        );
    }
    let damage = match found.lost {
        None => return,
        Some(Lost::Vote) => "the vote that it had given: no entry is lost by that",
        Some(Lost::Entries) if found.marked <= found.last => {
            "what it had promised to keep; its table has the entries, up to the mark"
        }
        Some(Lost::Entries) => {
            "what it had promised to keep: what is behind the last entry above is lost, too"
        }
    };
    out.line(format_args!("damage       this node's own log has lost {damage}"));
}

pub(super) fn how(out: &mut Output, found: &Found, is_lost: bool, data_dir: &Path) {
    out.line("");
    out.line("Nothing was changed.");
    if is_lost {
        out.line(format_args!(
            "To do it: quorate recover --force-single --data-dir {} --name {} --cluster-id {} --yes-i-lose-what-the-others-had",
            data_dir.display(),
            found.name,
            found.cluster_id
        ));
    }
}

pub(super) fn done(out: &mut Output, found: &Found, recovered: &Recovered) {
    out.line("");
    out.line(format_args!(
        "recovered    {} is the only member of the new cluster {}, from log index {} on",
        found.name, recovered.cluster_id, recovered.last.index
    ));
    out.line("next         start this node as ever, and the others on empty directories; and ask for each: quorate cluster member add NAME");
}

pub(super) fn place(place: Option<Place>) -> String {
    place.map_or("nothing".to_owned(), |Place { term, index }| format!("term {term}, entry {index}"))
}
