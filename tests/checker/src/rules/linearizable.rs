//! I8: a linearizable read reflects every write that was answered before it was sent. It is asked for with
//! `consistency=linearizable`; that something is not there, and that a queue is empty, is always answered so.

use crate::call::Call;
use crate::event::{Op, Outcome};
use crate::facts::{At, Facts};
use crate::highest::Highest;
use crate::rule::{Findings, Rule};

pub(super) const RULE: Rule = Rule {
    name: "linearizable",
    means: "a linearizable read reflects every write that was answered before it was sent",
    check,
};

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    let answered: Highest<u64, (At, usize)> =
        facts.writes().map(|(at, op)| (facts.op(op).returned, (at, op))).collect();
    for (number, op) in facts.history.ops.iter().enumerate().filter(|(_, op)| is_linearizable(op)) {
        let Some(index) = op.index else { continue };
        let before = answered.below(op.invoke).filter(|(before, _)| before.index > index.index);
        findings.require(before.is_none(), || {
            let (before, other) = before.expect("the check found one");
            let what =
                format!("a linearizable read reflects {index}, though {before} had been answered before");
            (what, facts.lines([other, number]))
        });
    }
}

fn is_linearizable(op: &Op) -> bool {
    let not_found = op.call.is_read() && op.status == Some(404);
    let empty = matches!(op.call, Call::Consume { .. }) && op.outcome == Outcome::Ok && op.jobs.is_empty();
    op.call.is_linearizable() || not_found || empty
}
