//! A place in the log holds one command: two answers from one place mean that two nodes applied different logs.

use crate::facts::Facts;
use crate::rule::{Findings, Rule};

pub(super) const RULE: Rule =
    Rule { name: "position", means: "no two writes were answered from one place in the log", check };

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    let mut writes: Vec<_> = facts.writes().collect();
    writes.sort_unstable();
    findings.checked = writes.len().min(1);
    for pair in writes.windows(2) {
        let [(at, first), (other, second)] = [pair[0], pair[1]];
        let parts_of_one = facts.history.line_of(first) == facts.history.line_of(second);
        findings.require(!at.is_same_command(other) || parts_of_one, || {
            (format!("two writes were answered from {at}"), facts.lines([first, second]))
        });
    }
}
