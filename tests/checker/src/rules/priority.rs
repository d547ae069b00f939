//! A higher priority is served first: no job of a queue is granted while one of a higher priority is certainly queued, and
//! certainly not kept back by its key's limit. (What limits the queue keeps back both.)

use super::fifo::show;
use crate::facts::{Facts, Keys};
use crate::rule::{Findings, Rule};

pub(super) const RULE: Rule = Rule {
    name: "priority",
    means: "no job is granted while one of a higher priority is queued in its queue",
    check,
};

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    for (queue, stays) in facts.queues() {
        let keys = Keys::new(facts, queue, &stays);
        for priority in 0..2 {
            let higher = keys.queued(&stays, |stay| stay.priority > priority);
            for stay in stays.iter().filter(|stay| stay.priority == priority && stay.taken) {
                let passed = higher.iter().filter_map(|(key, queued)| {
                    let (_, other) =
                        queued.below(stay.left.first).filter(|(left, _)| *left > stay.left.last)?;
                    Some((keys.may_be_full(key, stay), other))
                });
                match passed.min() {
                    Some((true, _)) => findings.unclear += 1,
                    passed => findings.require(passed.is_none(), || {
                        let (_, other) = passed.expect("the check found one");
                        show(facts, stay, other, "has a higher priority")
                    }),
                }
            }
        }
    }
}
