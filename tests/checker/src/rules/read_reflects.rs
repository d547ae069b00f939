//! A read shows all that happened up to the applied index that it gives.

use crate::call::Call;
use crate::facts::{At, Facts, Life};
use crate::rule::{Findings, Rule};

pub(super) const RULE: Rule = Rule {
    name: "read-reflects",
    means: "a read shows everything up to the applied index that it gives",
    check,
};

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    for life in &facts.lives {
        let steps = steps(facts, life);
        for seen in &life.sightings {
            let index = match seen.op.map(|op| facts.op(op)) {
                Some(op) if op.call.is_read() => op.index,
                Some(_) | None => continue,
            };
            let Some(index) = index.map(|index| index.index) else { continue };
            let missed =
                steps.iter().find(|(at, rank, _)| *at <= At::end_of(index) && seen.job.status.rank() < *rank);
            findings.require(missed.is_none(), || {
                let ops = missed.map(|(_, _, op)| *op).into_iter().chain(seen.op);
                (
                    format!("a read at {index} does not show what happened to job {} before", life.id),
                    facts.lines(ops),
                )
            });
        }
    }
}

/// Where the job's life certainly went on, how far, and by which request.
fn steps(facts: &Facts<'_>, life: &Life<'_>) -> Vec<(At, u8, usize)> {
    let grants = life.grants.iter().map(|(op, _)| (*op, 2));
    let ends = life.calls.iter().filter(|op| {
        matches!(facts.op(**op).call, Call::Success { .. } | Call::Fail { .. } | Call::Cancel { .. })
    });
    grants
        .chain(ends.map(|op| (*op, 3)))
        .filter_map(|(op, rank)| Some((facts.effects[op].exactly()?, rank, op)))
        .collect()
}
