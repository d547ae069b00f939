//! I6c: an empty answer is true. A consume finds nothing only if no job was queued at some moment of it: not where a
//! job was certainly queued before it was sent and is taken by a request sent after it was answered.

use crate::call::Call;
use crate::event::{Op, Outcome};
use crate::facts::{At, Facts};
use crate::highest::Highest;
use crate::map::Map;
use crate::rule::{Findings, Rule};

pub(super) const RULE: Rule =
    Rule { name: "empty-consume", means: "a consume is answered empty only where no job was queued", check };

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    let answered: Highest<u64, At> = facts.writes().map(|(at, op)| (facts.op(op).returned, at)).collect();
    let queued: Highest<At, (u64, usize)> =
        facts.stays.iter().map(|stay| (stay.ready.last, (stay.leave_invoked, stay.life))).collect();
    let mut attempts: Map<&str, usize> = Map::default();
    let consumes = facts.history.ops.iter().filter(|op| matches!(op.call, Call::Consume { .. }));
    for key in consumes.filter_map(|op| op.key.as_deref()) {
        *attempts.entry(key).or_default() += 1;
    }
    for (number, op) in facts.history.ops.iter().enumerate().filter(|(_, op)| is_empty(op)) {
        // Under a key that was used before it repeats an answer, of which nothing may be left.
        if op.key.as_deref().is_some_and(|key| attempts.get(key) != Some(&1)) {
            findings.unclear += 1;
            continue;
        }
        let before = answered.below(op.invoke).unwrap_or(At::START);
        let there = queued.below(before.nth(usize::MAX)).filter(|(leaves, _)| *leaves > op.returned);
        findings.require(there.is_none(), || {
            let life = &facts.lives[there.expect("the check found one").1];
            let requests = life.births.iter().chain(&life.grants).map(|(op, _)| *op).chain([number]);
            (
                format!("a consume found nothing although job {} was queued all the time", life.id),
                facts.lines(requests),
            )
        });
    }
}

fn is_empty(op: &Op) -> bool {
    matches!(op.call, Call::Consume { .. }) && op.outcome == Outcome::Ok && op.jobs.is_empty()
}
