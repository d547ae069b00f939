//! A higher priority is served first: nothing is granted while a job of a higher priority is certainly queued.

use super::fifo::show;
use crate::facts::{At, Facts};
use crate::highest::Highest;
use crate::rule::{Findings, Rule};

pub(super) const RULE: Rule =
    Rule { name: "priority", means: "no job is granted while one of a higher priority is queued", check };

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    for priority in 0..2 {
        let higher = facts.stays.iter().filter(|stay| stay.priority > priority);
        let queued: Highest<At, (At, usize)> =
            higher.map(|stay| (stay.ready.last, (stay.left.first, stay.life))).collect();
        for stay in facts.stays.iter().filter(|stay| stay.priority == priority && stay.taken) {
            let passed = queued.below(stay.left.first).filter(|(left, _)| *left > stay.left.last);
            findings.require(passed.is_none(), || {
                let (_, other) = passed.expect("the check found one");
                show(facts, stay, other, "has a higher priority")
            });
        }
    }
}
