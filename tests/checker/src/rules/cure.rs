//! What frees space is never refused for want of space: to end a job, to call it off, and to delete it.

use crate::call::Call;
use crate::facts::Facts;
use crate::rule::{Findings, Rule};

pub(super) const RULE: Rule =
    Rule { name: "cure", means: "no request that frees space is refused because there is none", check };

/// Insufficient Storage.
const FULL: u16 = 507;

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    for (number, op) in facts.history.ops.iter().enumerate().filter(|(_, op)| frees(&op.call)) {
        findings.require(op.status != Some(FULL), || {
            ("this was refused for want of space".to_owned(), facts.lines([number]))
        });
    }
}

fn frees(call: &Call) -> bool {
    match call {
        Call::Success { .. }
        | Call::Fail { .. }
        | Call::Finish { .. }
        | Call::Cancel { .. }
        | Call::Delete { .. }
        | Call::Set { .. }
        | Call::Stop { .. } => true,
        Call::Enqueue { .. }
        | Call::Consume { .. }
        | Call::Touch { .. }
        | Call::Retry { .. }
        | Call::Release { .. }
        // A retry adds jobs, and whatever it does an operation is remembered.
        | Call::Operate { .. }
        | Call::Watch { .. }
        | Call::Get { .. }
        | Call::List { .. } => false,
    }
}
