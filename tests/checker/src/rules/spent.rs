//! A key that has had its jobs is answered at once, with what still runs of them, whatever `wait` says: there is nothing that
//! such a consume could wait for.

use crate::call::Call;
use crate::event::{Op, Outcome};
use crate::facts::Facts;
use crate::map::Map;
use crate::rule::{Findings, Rule};

pub(super) const RULE: Rule = Rule {
    name: "spent",
    means: "a consume under a key that was answered with jobs is answered again at once",
    check,
};

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    let prompt = facts.history.run.prompt_ms * 1_000;
    let consumes =
        || facts.history.ops.iter().enumerate().filter(|(_, op)| matches!(op.call, Call::Consume { .. }));
    // When jobs were first answered under a key, and by which request.
    let mut first: Map<&str, (u64, usize)> = Map::default();
    for (number, op) in consumes().filter(|(_, op)| !op.jobs.is_empty()) {
        let Some(key) = &op.key else { continue };
        let answered = (op.returned, number);
        first.entry(key).and_modify(|first| *first = answered.min(*first)).or_insert(answered);
    }
    for (number, op) in consumes().filter(|(_, op)| is_told(op)) {
        let first = op.key.as_deref().and_then(|key| first.get(key));
        let Some((_, first)) = first.filter(|(answered, _)| *answered < op.invoke) else { continue };
        let took = facts.calm(&op.node, op.invoke, op.returned);
        findings.require(took <= prompt, || {
            let what = format!("a key that was spent was answered again after {} ms of calm", took / 1_000);
            (what, facts.lines([*first, number]))
        });
    }
}

fn is_told(op: &Op) -> bool {
    op.outcome == Outcome::Ok || op.left
}
