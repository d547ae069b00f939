//! I12: late is late. A job that has run past its deadline cannot be ended by anybody but the cluster.

use crate::call::Call;
use crate::event::Outcome;
use crate::facts::{At, Facts, Life};
use crate::rule::{Findings, Rule};

pub(super) const RULE: Rule =
    Rule { name: "expired", means: "nobody ends a job after its deadline has passed", check };

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    for life in &facts.lives {
        let end = life.calls.iter().find_map(|op| {
            let asked = facts.op(*op);
            use Call::{Cancel, Fail, Release, Success};
            let ends = matches!(asked.call, Success { .. } | Fail { .. } | Cancel { .. } | Release { .. });
            Some((facts.effects[*op].exactly().filter(|_| ends)?, *op))
        });
        let Some((at, op)) = end else { continue };
        // An answer to several ends does not show the jobs, that to a release the new one.
        let shown = facts.op(op).jobs.iter().find(|job| *job.id == *life.id);
        let seen = shown.or_else(|| life.latest().map(|seen| seen.job));
        let Some(job) = seen else { continue };
        let (Some(started), Some(completed)) = (job.started, job.completed) else { continue };
        let Some(running_since) = last_sign(facts, life, started, at) else {
            findings.unclear += 1;
            continue;
        };
        let deadline = running_since.saturating_add(u64::from(job.timeout) * 1_000);
        findings.require(completed < deadline, || {
            let what = format!("job {} was ended at {completed} ms, its deadline was {deadline} ms", life.id);
            let requests = life.grants.iter().map(|(op, _)| *op).chain([op]);
            (what, facts.lines(requests))
        });
    }
}

/// The latest log time at which the job was started or touched before `until`; `None` where nobody knows.
pub(super) fn last_sign(facts: &Facts<'_>, life: &Life<'_>, started: u64, until: At) -> Option<u64> {
    let mut last = started;
    for op in life.calls.iter().filter(|op| matches!(facts.op(**op).call, Call::Touch { .. })) {
        match (facts.op(*op).outcome, facts.effects[*op].exactly()) {
            (Outcome::Ok, Some(at)) if at < until => last = last.max(facts.clock.bounds(at.index).1),
            (Outcome::Ok | Outcome::Fail, _) => {}
            (Outcome::Info, _) => return None,
        }
    }
    Some(last)
}
