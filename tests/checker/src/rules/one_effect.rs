//! I14: a request whose outcome is not known has none or one effect, and so have all attempts under one
//! `Idempotency-Key` together: each gives the first answer again, of many jobs the same work on them, and says so.

use crate::call::Call;
use crate::event::{Op, Outcome};
use crate::facts::{At, Facts};
use crate::map::{Map, Set};
use crate::rule::{Findings, Rule};

pub(super) const RULE: Rule = Rule {
    name: "one-effect",
    means: "a job asked for once is there at most once, and attempts under one key are answered alike",
    check,
};

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    for (tag, asked) in &facts.asked {
        findings.require(asked.jobs.len() <= 1, || {
            let jobs = asked.jobs.iter().map(|job| &facts.lives[*job]);
            let seen = jobs.filter_map(|life| life.sightings.first()).map(|seen| seen.line);
            let lines: Vec<usize> = facts.lines(asked.ops.iter().copied()).into_iter().chain(seen).collect();
            (format!("{tag} was asked for once and is there {} times", asked.jobs.len()), lines)
        });
    }
    // Of a finish each part for itself.
    let mut keys: Map<(&str, usize), Vec<(At, usize)>> = Map::default();
    for (number, op) in facts.history.ops.iter().enumerate() {
        if let (Some(key), Some(at)) = (&op.key, answered_at(op)) {
            keys.entry((key, op.place)).or_default().push((at, number));
        }
    }
    for ((key, _), mut answers) in keys {
        answers.sort_unstable();
        for pair in answers.windows(2) {
            let [(_, first), (_, second)] = [pair[0], pair[1]];
            findings.require(repeats(facts.op(first), facts.op(second)), || {
                (
                    format!("two attempts under the key {key} had answers of their own"),
                    facts.lines([first, second]),
                )
            });
            findings.require(is_told(facts.op(first), facts.op(second)), || {
                let what =
                    format!("an answer under the key {key} does not say that it repeats an earlier one");
                (what, facts.lines([first, second]))
            });
        }
    }
}

/// Where an answer stands that an attempt under the same key gives again.
fn answered_at(op: &Op) -> Option<At> {
    let at = op.index.filter(|at| at.offset.is_some())?;
    let is_kept = op.outcome == Outcome::Ok || op.call.ends() && matches!(op.status, Some(404 | 409));
    (is_kept && !op.call.is_read()).then(|| At::command(at))
}

/// True where `second` can be the answer of `first` given again: in a consume, the jobs that still run.
fn repeats(first: &Op, second: &Op) -> bool {
    if first.call.ends() {
        return ends_alike(first, second);
    }
    let id = |op: &Op| op.operation.as_ref().map(|operation| operation.id.clone());
    if id(first) != id(second) {
        return false;
    }
    let first_ids: Set<&str> = first.jobs.iter().map(|job| &*job.id).collect();
    let subset = second.jobs.iter().all(|job| first_ids.contains(&*job.id));
    // A finish that took none at once may have been waiting still when this was asked.
    subset
        || has_nothing_to_repeat(first)
        || (first.jobs.is_empty() && first.place > 0 && first.call.wait() > 0)
}

/// True where both say the same of a job that was to be ended, which may have been deleted in between.
fn ends_alike(first: &Op, second: &Op) -> bool {
    let said = |op: &Op| (op.outcome, op.status, op.ended.first().and_then(|ended| ended.status));
    let deleted = first.outcome == Outcome::Ok && second.status == Some(404);
    said(first) == said(second) || deleted
}

/// An empty answer to a consume is not recorded: the next attempt takes what it finds.
fn has_nothing_to_repeat(first: &Op) -> bool {
    matches!(first.call, Call::Consume { .. }) && first.place == 0 && first.jobs.is_empty()
}

/// True where `second`, sent after `first` was answered, says that it repeats that answer.
fn is_told(first: &Op, second: &Op) -> bool {
    second.replayed || has_nothing_to_repeat(first) || second.invoke <= first.returned
}
