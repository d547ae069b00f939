//! No false 404: a job that an answer has shown is found from then on, through every node, until somebody deletes it.

use crate::call::Call;
use crate::event::Outcome;
use crate::facts::{Facts, Life};
use crate::rule::{Findings, Rule};

pub(super) const RULE: Rule =
    Rule { name: "not-found", means: "no job that an answer has shown is answered with 404 later", check };

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    for life in &facts.lives {
        let shown = life.sightings.iter().filter_map(|seen| seen.op).min_by_key(|op| facts.op(*op).returned);
        for number in life.calls.iter().copied().filter(|op| facts.op(*op).status == Some(404)) {
            let op = facts.op(number);
            // Under a key, a retry answers again for the job that it made first; that one may be gone.
            if op.key.is_some() || may_be_gone(facts, life, op.returned) {
                findings.unclear += 1;
                continue;
            }
            let known = shown.filter(|shown| facts.op(*shown).returned < op.invoke);
            findings.require(known.is_none(), || {
                (
                    format!("job {} was not found, though it was there before", life.id),
                    facts.lines(known.into_iter().chain([number])),
                )
            });
        }
    }
}

/// True where a delete that was sent by then may have removed the job.
fn may_be_gone(facts: &Facts<'_>, life: &Life<'_>, by: u64) -> bool {
    let deletes = life.calls.iter().map(|op| facts.op(*op));
    let mut deletes =
        deletes.filter(|op| matches!(op.call, Call::Delete { .. }) && op.outcome != Outcome::Fail);
    deletes.any(|op| op.invoke <= by) || (facts.may_be_deleted(life) && life.scans == 0)
}
