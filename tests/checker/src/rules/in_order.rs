//! A consume of several queues takes from the first that has a job: it is granted nothing while a job of one that it names
//! before is certainly queued. Where a limit may have kept that job back, it is unclear.

use super::fifo::show;
use crate::facts::{Facts, Stay};
use crate::rule::{Findings, Rule};
use crate::source::Source;

pub(super) const RULE: Rule = Rule {
    name: "in-order",
    means: "a consume takes no job while a queue that it names before has one",
    check,
};

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    let queues = facts.waiting();
    for stay in facts.stays.iter().filter(|stay| stay.taken && stay.left.first == stay.left.last) {
        let named = named_before(facts, stay);
        if named.is_empty() {
            continue;
        }
        let passed = named.iter().filter_map(|name| queues.get(name)).flat_map(|queue| queue.passed(stay));
        match passed.min() {
            Some((true, _)) => findings.unclear += 1,
            passed => findings.require(passed.is_none(), || {
                let (_, other) = passed.expect("the check found one");
                show(facts, stay, other, "is in a queue that is named before")
            }),
        }
    }
}

/// The queues that the consume which took the job names before the job's own.
fn named_before<'f>(facts: &'f Facts<'_>, stay: &Stay<'_>) -> Vec<&'f str> {
    let grants = facts.lives[stay.life].grants.iter().map(|(op, _)| *op);
    let mut granted = grants.filter(|op| facts.effects[*op].exactly().is_some());
    match granted.next().and_then(|op| facts.op(op).call.source()) {
        Some(Source::InOrder(names)) => names.into_iter().take_while(|queue| *queue != stay.queue).collect(),
        Some(Source::ByWeight(_) | Source::All) | None => Vec::new(),
    }
}
