//! A consume of several queues takes from the first that has a job: it is granted nothing while a job of one that it names
//! before is certainly queued. Where a limit may have kept that job back, it is unclear.

use super::fifo::show;
use crate::facts::{Facts, Queued};
use crate::map::Map;
use crate::rule::{Findings, Rule};

pub(super) const RULE: Rule = Rule {
    name: "in-order",
    means: "a consume takes no job while a queue that it names before has one",
    check,
};

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    let [free, kept_back] = [false, true].map(|kept_back| {
        let queued = |stays: Vec<&crate::facts::Stay<'_>>| -> Queued {
            let stays = stays.into_iter().filter(|stay| facts.may_be_kept_back(stay) == kept_back);
            stays.map(|stay| (stay.ready.last, (stay.left.first, stay.life))).collect()
        };
        facts.queues().into_iter().map(|(queue, stays)| (queue, queued(stays))).collect::<Map<_, _>>()
    });
    for stay in facts.stays.iter().filter(|stay| stay.taken && stay.left.first == stay.left.last) {
        let Some((op, _)) =
            facts.lives[stay.life].grants.iter().find(|(op, _)| facts.effects[*op].exactly().is_some())
        else {
            continue;
        };
        let queues = facts.op(*op).call.queues();
        let before: Vec<&str> = queues.into_iter().take_while(|queue| *queue != stay.queue).collect();
        if before.is_empty() {
            continue;
        }
        let passed = |queued: &Map<&str, Queued>| {
            let passed = before.iter().filter_map(|queue| queued.get(queue)?.below(stay.left.first));
            passed.filter(|(left, _)| *left > stay.left.last).max()
        };
        let (free, kept_back) = (passed(&free), passed(&kept_back));
        if free.is_none() && kept_back.is_some() {
            findings.unclear += 1;
            continue;
        }
        findings.require(free.is_none(), || {
            let (_, other) = free.expect("the check found one");
            show(facts, stay, other, "is in a queue that is named before")
        });
    }
}
