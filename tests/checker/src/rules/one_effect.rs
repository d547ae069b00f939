//! I14: a request whose outcome is not known has none or one effect, and so have all attempts under one
//! `Idempotency-Key` together: each gives the first answer again, and says so.

use crate::call::Call;
use crate::event::Op;
use crate::facts::Facts;
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
    let mut keys: Map<&str, Vec<(_, usize)>> = Map::default();
    for (at, op) in facts.writes() {
        if let Some(key) = &facts.op(op).key {
            keys.entry(key).or_default().push((at, op));
        }
    }
    for (key, mut answers) in keys {
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

/// True where `second` can be the answer of `first` given again: in a consume, the jobs that still run.
fn repeats(first: &Op, second: &Op) -> bool {
    let first_ids: Set<&str> = first.jobs.iter().map(|job| &*job.id).collect();
    let subset = second.jobs.iter().all(|job| first_ids.contains(&*job.id));
    // An empty answer is not recorded: the next attempt takes what it finds.
    let consumed = matches!(first.call, Call::Consume { .. });
    subset || (consumed && first.jobs.is_empty())
}

/// True where `second`, sent after `first` was answered, says that it repeats that answer.
fn is_told(first: &Op, second: &Op) -> bool {
    let nothing_to_repeat = matches!(first.call, Call::Consume { .. }) && first.jobs.is_empty();
    second.replayed || nothing_to_repeat || second.invoke <= first.returned
}
