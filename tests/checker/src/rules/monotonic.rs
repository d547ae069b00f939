//! I7: what one node answers never goes back in time: neither the applied index, nor the life of a job; not after a
//! restart either.

use crate::facts::{Facts, Life};
use crate::highest::Highest;
use crate::map::Map;
use crate::rule::{Findings, Rule};

pub(super) const RULE: Rule = Rule {
    name: "monotonic",
    means: "a node's answers never go back: neither its index nor a job's life",
    check,
};

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    for node in &facts.history.run.nodes {
        let answers = || {
            let ops = facts.history.ops.iter().enumerate().filter(|(_, op)| op.node == *node);
            ops.filter_map(|(number, op)| Some((number, op, op.index?.index)))
        };
        let reached: Highest<u64, (u64, usize)> =
            answers().map(|(number, op, index)| (op.returned, (index, number))).collect();
        for (number, op, index) in answers() {
            let before = reached.below(op.invoke).filter(|(before, _)| *before > index);
            findings.require(before.is_none(), || {
                let (before, other) = before.expect("the check found one");
                (
                    format!("{node} answers from {index} after it answered from {before}"),
                    facts.lines([other, number]),
                )
            });
        }
    }
    for life in facts.lives.iter().filter(|life| life.sightings.len() > 1) {
        forward(facts, findings, life);
    }
}

/// A job's life goes forward on every node.
fn forward(facts: &Facts<'_>, findings: &mut Findings, life: &Life<'_>) {
    let mut nodes: Map<&str, Vec<(usize, u8)>> = Map::default();
    for seen in &life.sightings {
        let Some(op) = seen.op else { continue };
        nodes.entry(&facts.op(op).node).or_default().push((op, seen.job.status.rank()));
    }
    for (node, seen) in nodes.into_iter().filter(|(_, seen)| seen.len() > 1) {
        let reached: Highest<u64, (u8, usize)> =
            seen.iter().map(|(op, rank)| (facts.op(*op).returned, (*rank, *op))).collect();
        for (op, rank) in seen {
            let before = reached.below(facts.op(op).invoke).filter(|(before, _)| *before > rank);
            findings.require(before.is_none(), || {
                let other = before.map(|(_, other)| other);
                (
                    format!("on {node} the life of job {} went back", life.id),
                    facts.lines(other.into_iter().chain([op])),
                )
            });
        }
    }
}
