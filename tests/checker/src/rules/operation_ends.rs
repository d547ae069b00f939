//! Work on many jobs that was begun before the faults were over ends: somebody saw that. It is remembered, too.

use crate::call::Call;
use crate::event::Outcome;
use crate::facts::Facts;
use crate::map::Map;
use crate::operation::OperationStatus;
use crate::rule::{Findings, Rule};

pub(super) const RULE: Rule = Rule {
    name: "operation-ends",
    means: "work on many jobs that was begun ends, and is not forgotten",
    check,
};

/// One that has ended is remembered until so many others were begun.
const REMEMBERED: usize = 1_000;

const NOT_FOUND: u16 = 404;

/// What is known of some work.
struct Known {
    /// Those that showed it, the first one as it was begun.
    ops: Vec<usize>,
    /// When the first of them was answered.
    since: u64,
    has_ended: bool,
}

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    let ops = || facts.history.ops.iter().enumerate().filter(|(_, op)| !op.implied);
    let mut known: Map<&str, Known> = Map::default();
    for (number, op) in ops().filter(|(_, op)| op.outcome == Outcome::Ok) {
        let Some(record) = &op.operation else { continue };
        let new = Known { ops: Vec::new(), since: op.returned, has_ended: false };
        let known = known.entry(&*record.id).or_insert(new);
        known.ops.push(number);
        known.since = known.since.min(op.returned);
        known.has_ended |= record.status != OperationStatus::Running;
    }
    for (id, known) in &known {
        let first = known.ops.iter().map(|op| facts.op(*op).invoke).min();
        if first.zip(facts.history.healed).is_some_and(|(first, healed)| first < healed) {
            findings.require(known.has_ended, || {
                let what =
                    format!("operation {id} was begun before the faults were over, and nobody saw it end");
                (what, facts.lines(known.ops.iter().copied()))
            });
        }
    }
    let begun = ops().filter(|(_, op)| matches!(op.call, Call::Operate { .. })).count();
    if begun > REMEMBERED {
        findings.unclear += known.len();
        return;
    }
    for (number, op) in ops() {
        let (Call::Watch { id, .. } | Call::Stop { id }) = &op.call else { continue };
        let Some(known) = known.get(&**id).filter(|known| known.since <= op.invoke) else { continue };
        findings.require(op.status != Some(NOT_FOUND), || {
            let lines = facts.lines(known.ops.iter().copied().take(1).chain([number]));
            (format!("operation {id} was answered, and is not known any more"), lines)
        });
    }
}
