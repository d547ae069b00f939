//! I4, I10: an end is final. Everybody sees the same one, an acknowledged end is that one, and nothing is granted,
//! touched or ended behind it in the log.

use crate::call::Call;
use crate::event::Outcome;
use crate::facts::{At, Facts, Life};
use crate::job::{JobRecord, Status};
use crate::rule::{Findings, Rule};

pub(super) const RULE: Rule = Rule {
    name: "final-state",
    means: "a job ends once, as acknowledged, and nothing happens to it after",
    check,
};

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    for life in &facts.lives {
        let mut ends = life.sightings.iter().filter(|seen| seen.job.status.is_final());
        let Some(first) = ends.next() else { continue };
        for other in ends {
            let same = (first.job.status, first.job.reason) == (other.job.status, other.job.reason);
            findings
                .require(same, || (format!("job {} ended in two ways", life.id), [first.line, other.line]));
        }
        for op in life.calls.iter().filter(|op| facts.op(**op).outcome == Outcome::Ok) {
            let answer = facts.op(*op).jobs.first();
            findings.require(as_asked(&facts.op(*op).call, answer), || {
                (format!("a request to end job {} is answered with another end", life.id), facts.lines([*op]))
            });
        }
        nothing_after(facts, findings, life);
    }
}

/// True where an answer shows the end that was asked for.
fn as_asked(call: &Call, answer: Option<&JobRecord>) -> bool {
    let shown = answer.map(|job| (job.status, job.reason));
    match call {
        Call::Success { .. } => shown == Some((Status::Success, None)),
        Call::Fail { reason, .. } => shown == Some((Status::Error, Some(*reason))),
        Call::Cancel { .. } => shown == Some((Status::Cancelled, None)),
        Call::Enqueue { .. }
        | Call::Consume { .. }
        | Call::Touch { .. }
        | Call::Retry { .. }
        | Call::Delete { .. }
        | Call::Get { .. }
        | Call::List { .. } => true,
    }
}

fn nothing_after(facts: &Facts<'_>, findings: &mut Findings, life: &Life<'_>) {
    let named = life.calls.iter().copied();
    let end =
        named.clone().filter_map(|op| ends(&facts.op(op).call).then_some((facts.effects[op].exactly()?, op)));
    let Some((end, by)) = end.min() else { return };
    let touches = named.filter(|op| matches!(facts.op(*op).call, Call::Touch { .. }));
    let grants = life.grants.iter().map(|(op, _)| *op);
    for op in touches.chain(grants) {
        let Some(at) = facts.effects[op].exactly() else { continue };
        let before: At = at;
        findings.require(before < end, || {
            (
                format!("job {} ended at {end} and was granted or touched at {at}", life.id),
                facts.lines([by, op]),
            )
        });
    }
}

fn ends(call: &Call) -> bool {
    matches!(call, Call::Success { .. } | Call::Fail { .. } | Call::Cancel { .. })
}
