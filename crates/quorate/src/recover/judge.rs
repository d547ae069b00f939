//! The rules that cost data where they are wrong.

use std::collections::BTreeSet;

use anyhow::bail;
use quorate_node::{Answering, Found, FoundMember, Place};

use super::show::place;
use crate::wrong_usage::wrong_usage;

/// What was typed is this node.
pub(super) fn is_meant(name: &str, cluster_id: &str, found: &Found) -> anyhow::Result<()> {
    if name != found.name {
        return Err(wrong_usage(format_args!(
            "name: this is the directory of {}, not of {name}",
            found.name
        )));
    }
    if cluster_id != found.cluster_id {
        let is = &found.cluster_id;
        return Err(wrong_usage(format_args!(
            "cluster-id: this node belongs to the cluster {is}, not to {cluster_id}"
        )));
    }
    Ok(())
}

/// Those who answer and this node are no majority, and none of them is a better choice.
pub(super) fn is_lost(found: &Found, answering: &[Answering]) -> anyhow::Result<()> {
    for answer in answering {
        match answer {
            Answering::Successor { name, addr, cluster_id } => bail!(
                "the cluster was given up before: {name} at {addr} belongs to the cluster {cluster_id}, which was restored or recovered \
                 from it. A second one would have other data under the same ids: let this node join that one, on an empty directory, or \
                 stop all nodes of that one first if this is the one to keep"
            ),
            Answering::Itself { addr } => bail!(
                "the node {} itself runs at {addr}, on another directory: one of the two is a copy. Stop it there, and compare what both \
                 have with this command",
                found.name
            ),
            Answering::Masked { name, addr, why } => bail!(
                "somebody listens at {addr}, where {name} was, and is not understood: {why}. Nobody is given up who may be there: see to \
                 that, or stop it"
            ),
            Answering::Newcomer { name, addr } => bail!(
                "the members have changed since: {name} at {addr} is one, and this directory does not know it. {}",
                // Such a node does not start.
                if found.is_alone || found.removed {
                    "Start this node on an empty directory: it joins them"
                } else {
                    "Start this node as ever"
                }
            ),
            Answering::Member { .. } => {}
        }
    }
    let members = members(answering);
    let own = (found.lost.is_none() && !found.removed).then_some(found.node_id);
    let there: BTreeSet<u64> = members.iter().map(|(member, _)| member.id).chain(own).collect();
    if found.is_majority(&there) {
        let names = members.iter().map(|(member, _)| member.name.as_str()).collect::<Vec<_>>().join(", ");
        if found.removed {
            bail!("the majority is not lost: {names} are enough, and this node was removed");
        }
        bail!(
            "the majority is not lost: this node and {names} are enough. Start this node as ever, and nothing is lost"
        );
    }
    if let Some((member, last)) = members.iter().find(|(_, last)| *last > found.last) {
        bail!(
            "{} has more: it has up to {}, and this node up to {}. Stop {0}, and look there with this command",
            member.name,
            place(*last),
            place(found.last)
        );
    }
    Ok(())
}

/// The other members that answer, and up to where each has the log.
pub(super) fn members(answering: &[Answering]) -> Vec<(&FoundMember, Option<Place>)> {
    let members = answering.iter().filter_map(|answer| match answer {
        Answering::Member { member, last, .. } => Some((member, *last)),
        Answering::Newcomer { .. }
        | Answering::Itself { .. }
        | Answering::Masked { .. }
        | Answering::Successor { .. } => None,
    });
    members.collect()
}

#[cfg(test)]
mod tests {
    use quorate_node::Lost;

    use super::*;

    /// n1 of n1, n2 and n3, with a log up to entry 7 of term 3.
    fn found() -> Found {
        let last = Some(Place { term: 3, index: 7 });
        let voter_sets = vec![[1, 2, 3].into()];
        Found { node_id: 1, name: "n1".into(), cluster_id: "a".into(), voter_sets, last, ..Found::default() }
    }

    fn member(id: u64, last: Option<(u64, u64)>) -> Answering {
        let member = FoundMember { id, name: format!("n{id}"), ..FoundMember::default() };
        let last = last.map(|(term, index)| Place { term, index });
        Answering::Member { member, last, applied_index: 0 }
    }

    #[test]
    fn what_is_typed_must_be_this_node() {
        assert!(is_meant("n1", "a", &found()).is_ok());
        for (name, cluster_id) in [("n2", "a"), ("n1", "b"), ("", "a"), ("n1", "")] {
            assert!(is_meant(name, cluster_id, &found()).is_err(), "{name} {cluster_id}");
        }
    }

    #[test]
    fn nothing_is_given_up_while_somebody_may_have_it() {
        let (name, addr) = ("n4".to_owned(), "h:4".to_owned());
        let newcomer = Answering::Newcomer { name: name.clone(), addr: addr.clone() };
        let masked = Answering::Masked { name: name.clone(), addr: addr.clone(), why: "it hangs".into() };
        let successor = Answering::Successor { name, addr: addr.clone(), cluster_id: "b".into() };
        let itself = Answering::Itself { addr };
        let whole = found();
        let lossy = Found { lost: Some(Lost::Vote), ..found() };
        let alone =
            Found { lost: Some(Lost::Entries), is_alone: true, voter_sets: vec![[1].into()], ..found() };
        let removed = Found { removed: true, ..found() };
        let of_five = Found { voter_sets: vec![(1..=5).collect()], ..found() };
        let empty = Found { last: None, ..of_five.clone() };
        let table: [(&Found, &[Answering], &str); 21] = [
            (&whole, &[], ""),
            (&lossy, &[], ""),
            (&alone, &[], ""),
            (&whole, &[member(2, None)], "the majority is not lost: this node and n2"),
            (&whole, &[member(4, None)], ""),
            (&removed, &[member(2, None)], ""),
            (
                &removed,
                &[member(2, None), member(3, None)],
                "not lost: n2, n3 are enough, and this node was removed",
            ),
            (&lossy, &[member(2, Some((3, 7)))], ""),
            (&lossy, &[member(2, None), member(3, None)], "the majority is not lost"),
            (&of_five, &[member(2, Some((3, 7)))], ""),
            (
                &of_five,
                &[member(2, Some((3, 8)))],
                "n2 has more: it has up to term 3, entry 8, and this node up to",
            ),
            // A longer log of an older term is one that a majority went on without.
            (&of_five, &[member(2, Some((4, 5)))], "n2 has more"),
            (&of_five, &[member(2, Some((2, 99)))], ""),
            (&empty, &[member(2, Some((1, 0)))], "n2 has more"),
            (
                &whole,
                std::slice::from_ref(&newcomer),
                "n4 at h:4 is one, and this directory does not know it. Start this node as ever",
            ),
            (&alone, std::slice::from_ref(&newcomer), "Start this node on an empty directory"),
            (&removed, std::slice::from_ref(&newcomer), "Start this node on an empty directory"),
            (&whole, std::slice::from_ref(&masked), "n4 was, and is not understood: it hangs"),
            (&of_five, &[member(2, Some((3, 7))), masked.clone()], "it hangs"),
            (&whole, &[successor], "given up before"),
            (&whole, &[itself], "itself runs at h:4"),
        ];
        for (found, answering, says) in table {
            let said =
                is_lost(found, answering).map_or_else(|not_lost| not_lost.to_string(), |()| String::new());
            assert!(said.contains(says) && said.is_empty() == says.is_empty(), "{answering:?}: {said}");
        }
    }
}
