//! The log keeps the order of real time: a request that was sent after another had been answered stands behind it.
//! With the position of every write this makes the log a linearization of the history, whatever the cluster claims.

use crate::facts::{At, Facts};
use crate::highest::Highest;
use crate::rule::{Findings, Rule};

pub(super) const RULE: Rule = Rule {
    name: "real-time",
    means: "a write stands in the log behind every write that was answered before it was sent",
    check,
};

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    let answered: Highest<u64, (At, usize)> =
        facts.writes().map(|(at, op)| (facts.op(op).returned, (at, op))).collect();
    for (at, op) in facts.writes() {
        let before = answered.below(facts.op(op).invoke);
        findings.require(before.is_none_or(|(before, _)| before < at), || {
            let (before, other) = before.expect("the check found one");
            let what = format!(
                "a write stands at {at}, although the one at {before} was answered before it was sent"
            );
            (what, facts.lines([other, op]))
        });
    }
}
