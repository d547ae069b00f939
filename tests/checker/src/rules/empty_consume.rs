//! I6c: an empty answer is true. A consume finds nothing only if no job was queued at some moment of it: not where a
//! job of a queue that it names was certainly queued before it was sent and is taken by a request sent after it was answered.
//! Where a limit may have kept that job back, it is unclear.

use crate::call::Call;
use crate::event::{Op, Outcome};
use crate::facts::{At, Facts, Stay};
use crate::highest::Highest;
use crate::map::Map;
use crate::rule::{Findings, Rule};

pub(super) const RULE: Rule = Rule {
    name: "empty-consume",
    means: "a consume is answered empty only where none of its queues had a job",
    check,
};

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    let answered: Highest<u64, At> = facts.writes().map(|(at, op)| (facts.op(op).returned, at)).collect();
    let [free, kept_back] = [false, true].map(|kept_back| queued(facts, kept_back));
    let mut attempts: Map<&str, usize> = Map::default();
    let consumes = facts.history.ops.iter().filter(|op| matches!(op.call, Call::Consume { .. }));
    for key in consumes.filter_map(|op| op.key.as_deref()) {
        *attempts.entry(key).or_default() += 1;
    }
    for (number, op) in facts.history.ops.iter().enumerate().filter(|(_, op)| is_empty(op)) {
        // Under a key that was used before it repeats an answer, of which nothing may be left.
        if op.replayed || op.key.as_deref().is_some_and(|key| attempts.get(key) != Some(&1)) {
            findings.unclear += 1;
            continue;
        }
        let before = answered.below(op.invoke).unwrap_or(At::START);
        let there = |queued: &Map<&str, Highest<At, (u64, usize)>>| {
            let queued = queued.iter().filter(|(name, _)| op.call.takes_from(name));
            let there = queued.filter_map(|(_, queued)| queued.below(before.nth(usize::MAX)));
            there.filter(|(leaves, _)| *leaves > op.returned).max()
        };
        let (there, may_be_kept_back) = (there(&free), there(&kept_back).is_some());
        if there.is_none() && may_be_kept_back {
            findings.unclear += 1;
            continue;
        }
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

/// Of each queue's jobs that were queued by then: when the request went out that made the last of them leave.
fn queued<'h>(facts: &Facts<'h>, kept_back: bool) -> Map<&'h str, Highest<At, (u64, usize)>> {
    let of = |stays: &[&Stay<'_>]| {
        let stays = stays.iter().filter(|stay| facts.may_be_kept_back(stay.queue, stay.key) == kept_back);
        stays.map(|stay| (stay.ready.last, (stay.leave_invoked, stay.life))).collect()
    };
    facts.queues().into_iter().map(|(queue, stays)| (queue, of(&stays))).collect()
}

fn is_empty(op: &Op) -> bool {
    matches!(op.call, Call::Consume { .. }) && op.outcome == Outcome::Ok && op.jobs.is_empty()
}
