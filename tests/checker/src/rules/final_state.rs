//! I4, I10: an end is final. Everybody sees the same one, an acknowledged end is that one, and nothing is granted,
//! touched or ended behind it in the log.

use crate::call::Call;
use crate::event::{Op, Outcome};
use crate::facts::{At, Facts, Life};
use crate::job::{Reason, Status};
use crate::rule::{Findings, Rule};

pub(super) const RULE: Rule = Rule {
    name: "final-state",
    means: "a job ends once, as acknowledged, and nothing happens to it after",
    check,
};

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    for life in &facts.lives {
        let mut ends = life.sightings.iter().filter(|seen| seen.job.status.is_final());
        if let Some(first) = ends.next() {
            for other in ends {
                let same = (first.job.status, first.job.reason) == (other.job.status, other.job.reason);
                findings.require(same, || {
                    (format!("job {} ended in two ways", life.id), [first.line, other.line])
                });
            }
        }
        for op in life.calls.iter().filter(|op| facts.op(**op).outcome == Outcome::Ok) {
            findings.require(as_asked(life, facts.op(*op)), || {
                (format!("a request to end job {} is answered with another end", life.id), facts.lines([*op]))
            });
            let other = shown_otherwise(life, facts.op(*op));
            findings.require(other.is_none(), || {
                let lines = facts.lines([*op]).into_iter().chain(other).collect::<Vec<_>>();
                (format!("job {} has not ended as was acknowledged", life.id), lines)
            });
        }
        nothing_after(facts, findings, life);
    }
}

/// The end that a request asks for.
fn asked_for(call: &Call) -> Option<(Status, Option<Reason>)> {
    match call {
        Call::Success { .. } => Some((Status::Success, None)),
        Call::Fail { reason, .. } => Some((Status::Error, Some(*reason))),
        Call::Cancel { .. } => Some((Status::Cancelled, None)),
        Call::Enqueue { .. }
        | Call::Consume { .. }
        | Call::Finish { .. }
        | Call::Touch { .. }
        | Call::Retry { .. }
        | Call::Release { .. }
        | Call::Delete { .. }
        | Call::Set { .. }
        | Call::Operate { .. }
        | Call::Stop { .. }
        | Call::Watch { .. }
        | Call::Get { .. }
        | Call::List { .. } => None,
    }
}

/// True where an answer shows the end that was asked for; one to several ends does so without their reasons.
fn as_asked(life: &Life<'_>, op: &Op) -> bool {
    let Some((status, reason)) = asked_for(&op.call) else { return true };
    match (op.jobs.first(), op.ended.first()) {
        (Some(job), _) => (job.status, job.reason) == (status, reason),
        (None, Some(ended)) => *ended.id == *life.id && ended.status == Some(status),
        (None, None) => false,
    }
}

/// Where a job has another end than the one that was acknowledged, or none when all is over.
fn shown_otherwise(life: &Life<'_>, op: &Op) -> Option<usize> {
    let asked = asked_for(&op.call)?;
    let mut last = life.sightings.iter().filter(|seen| seen.op.is_none() || seen.job.status.is_final());
    last.find(|seen| (seen.job.status, seen.job.reason) != asked).map(|seen| seen.line)
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
    use Call::{Cancel, Fail, Release, Success};
    matches!(call, Success { .. } | Fail { .. } | Cancel { .. } | Release { .. })
}
