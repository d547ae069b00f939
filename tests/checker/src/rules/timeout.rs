//! A timeout is never early: a job that the cluster ended had its whole `timeout` from its start and from every touch
//! that was acknowledged; in log time, and up to the skew that the run allows on the harness's clock.

use crate::call::Call;
use crate::event::Outcome;
use crate::facts::Facts;
use crate::job::Reason;
use crate::rule::{Findings, Rule};

pub(super) const RULE: Rule = Rule {
    name: "timeout",
    means: "no job times out before its timeout has passed since its start and its last touch",
    check,
};

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    let skew = facts.history.run.skew_ms;
    for life in facts.lives.iter().filter(|life| facts.timed_out(life)) {
        let Some(ended) = life.ended() else { continue };
        let timeout = u64::from(ended.job.timeout) * 1_000;
        let (Some(started), Some(completed)) = (ended.job.started, ended.job.completed) else { continue };
        // An answer under a key that was used before tells nothing of when the job was taken.
        let granted = life.grants.iter().filter(|(op, _)| facts.effects[*op].exactly().is_some());
        let granted = granted.map(|(op, _)| (*op, started));
        let touched = life.calls.iter().filter(|op| {
            matches!(facts.op(**op).call, Call::Touch { .. }) && facts.op(**op).outcome == Outcome::Ok
        });
        // The log time of a touch is not answered; the earliest that it can have been is.
        let touched = touched
            .map(|op| (*op, facts.effects[*op].exactly().map_or(0, |at| facts.clock.bounds(at.index).0)));
        let first_seen = life.sightings.iter().filter(|seen| seen.job.reason == Some(Reason::Timeout));
        let first_seen = first_seen.filter_map(|seen| seen.at).min();
        findings.require(completed >= started + timeout, || {
            let what =
                format!("job {} timed out {} ms after its start", life.id, completed.saturating_sub(started));
            (what, vec![ended.line])
        });
        for (op, from) in granted.chain(touched) {
            let had = completed.saturating_sub(from);
            let seen = first_seen.map_or(u64::MAX, |seen| seen.saturating_sub(facts.op(op).invoke) / 1_000);
            findings.require(had >= timeout && seen.saturating_add(skew) >= timeout, || {
                let what = format!(
                    "job {} had {} ms of its timeout of {timeout} ms after this",
                    life.id,
                    had.min(seen),
                );
                (what, facts.lines([op]).into_iter().chain([ended.line]).collect::<Vec<_>>())
            });
        }
    }
}
