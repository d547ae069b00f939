//! I11: a delay is never cut short: neither in log time, nor, up to the skew that the run allows, on the harness's
//! clock, which does not jump when a leader's does.

use crate::call::Call;
use crate::event::Outcome;
use crate::facts::{Facts, Life, delay};
use crate::job::{JobRecord, Status};
use crate::rule::{Findings, Rule};

pub(super) const RULE: Rule = Rule {
    name: "delay",
    means: "no job is granted before its delay, or that of its retry, has passed",
    check,
};

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    let skew = facts.history.run.skew_ms;
    for life in &facts.lives {
        let Some(seen) = life.latest() else { continue };
        let Some(delay) = delay(facts, seen.job).filter(|delay| *delay > 0) else { continue };
        let requests = || facts.lines(life.births.iter().chain(&life.grants).map(|(op, _)| *op));
        if let Some(started) = life.started() {
            let waited = started.saturating_sub(seen.job.created);
            findings.require(waited >= delay, || {
                let what =
                    format!("job {} was taken {waited} ms after its start, its delay is {delay} ms", life.id);
                (what, requests().into_iter().chain([seen.line]).collect::<Vec<_>>())
            });
        }
        let released = life.sightings.iter().filter(|seen| is_released(seen.job));
        let released = released.filter_map(|seen| Some((seen.at?, seen.line))).min();
        let (Some(asked), Some((released, line))) = (asked(facts, life), released) else { continue };
        let waited = released.saturating_sub(asked) / 1_000;
        findings.require(waited + skew >= delay, || {
            let what = format!(
                "job {} was released {waited} ms after it was sent, its delay is {delay} ms",
                life.id
            );
            (what, requests().into_iter().chain([line]).collect::<Vec<_>>())
        });
    }
}

/// True where its delay is over: it can be taken, or was.
fn is_released(job: &JobRecord) -> bool {
    job.status == Status::Queued || job.started.is_some()
}

/// When the first request was sent that can have started the delay.
fn asked(facts: &Facts<'_>, life: &Life<'_>) -> Option<u64> {
    let job = life.latest()?.job;
    let requests = match &job.retry_of {
        None => &facts.asked.get(&*job.tag)?.ops,
        Some(of) => &facts.life(of)?.calls,
    };
    let starts = requests.iter().map(|op| facts.op(*op)).filter(|op| {
        use Call::{Enqueue, Fail, Release};
        op.outcome != Outcome::Fail && matches!(op.call, Enqueue { .. } | Fail { .. } | Release { .. })
    });
    starts.map(|op| op.invoke).min()
}
