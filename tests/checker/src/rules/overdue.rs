//! Timers are not lost: at the end no job waits for a delay, or runs past a deadline, that has long passed.

use super::expired::last_sign;
use crate::facts::{At, Facts, Life, delay};
use crate::job::{JobRecord, Status};
use crate::rule::{Findings, Rule};

pub(super) const RULE: Rule = Rule {
    name: "overdue",
    means: "no delay and no timeout is forgotten: at the end nothing is overdue",
    check,
};

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    let late = facts.history.run.late_ms;
    for scan in &facts.history.scans {
        let now = facts.clock.bounds(scan.index).0;
        for (place, job) in scan.jobs.iter().enumerate() {
            let Some(life) = facts.life(&job.id) else { continue };
            let Some(due) = due(facts, life, job) else { continue };
            findings.require(due.saturating_add(late) >= now, || {
                let what =
                    format!("job {} is due at {due} ms and still waits on {} at {now} ms", job.id, scan.node);
                (what, [scan.line + 1 + place])
            });
        }
    }
}

fn due(facts: &Facts<'_>, life: &Life<'_>, job: &JobRecord) -> Option<u64> {
    match job.status {
        Status::Delayed => Some(job.created + delay(facts, job)?),
        Status::Running => {
            let since = last_sign(facts, life, job.started?, At::END)?;
            Some(since.saturating_add(u64::from(job.timeout) * 1_000))
        }
        Status::Queued | Status::Success | Status::Error | Status::Cancelled => None,
    }
}
