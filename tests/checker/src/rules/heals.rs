//! I18: the cluster heals. Once the faults are over, every request is answered on every node, and a write and a read
//! succeed on each.

use crate::event::{Op, Outcome};
use crate::facts::Facts;
use crate::rule::{Findings, Rule};

pub(super) const RULE: Rule = Rule {
    name: "heals",
    means: "after the faults every node answers every request, writes and reads",
    check,
};

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    let Some(healed) = facts.history.healed else {
        findings.require(false, || ("nobody waited for the cluster to heal".to_owned(), []));
        return;
    };
    let after =
        || facts.history.ops.iter().enumerate().filter(move |(_, op)| !op.implied && op.invoke >= healed);
    for (number, op) in after().filter(|(_, op)| !op.left) {
        findings.require(is_answered(op), || {
            ("a request got no answer although the faults were over".to_owned(), facts.lines([number]))
        });
    }
    for node in &facts.history.run.nodes {
        let served = |reads: bool| {
            after().any(|(_, op)| op.node == *node && op.outcome == Outcome::Ok && op.call.is_read() == reads)
        };
        findings.require(served(false), || (format!("after the faults no write succeeded on {node}"), []));
        findings.require(served(true), || (format!("after the faults no read succeeded on {node}"), []));
    }
}

/// True for an answer that the state of the jobs explains: not for one that says that the cluster cannot.
fn is_answered(op: &Op) -> bool {
    match op.outcome {
        Outcome::Ok => true,
        Outcome::Fail => op.status.is_some_and(|status| (400..500).contains(&status) && status != 429),
        Outcome::Info => false,
    }
}
