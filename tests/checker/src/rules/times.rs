//! The times of a job are set once: where it started or ended does not depend on who is asked, and its life runs
//! forward.

use crate::facts::Facts;
use crate::job::{JobRecord, Status};
use crate::rule::{Findings, Rule};

pub(super) const RULE: Rule =
    Rule { name: "times", means: "a job's times are set once, in order, and as its status says", check };

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    for life in &facts.lives {
        let (started, completed) = (life.started(), life.completed());
        for seen in &life.sightings {
            let same = seen.job.started.is_none_or(|at| Some(at) == started)
                && seen.job.completed.is_none_or(|at| Some(at) == completed);
            findings.require(same, || {
                let others = life.sightings.iter().filter(|other| {
                    other.job.started.is_some() && other.job.started == started
                        || other.job.completed.is_some() && other.job.completed == completed
                });
                let lines: Vec<usize> = others.take(1).map(|other| other.line).chain([seen.line]).collect();
                (format!("the times of job {} changed", life.id), lines)
            });
            findings.require(fits(seen.job), || {
                (format!("the times of job {} do not fit its status", life.id), vec![seen.line])
            });
        }
    }
}

fn fits(job: &JobRecord) -> bool {
    let in_order = job.started.is_none_or(|at| at >= job.created)
        && job.completed.is_none_or(|at| at >= job.started.unwrap_or(job.created));
    let set = (job.started.is_some(), job.completed.is_some());
    let as_status = match job.status {
        Status::Delayed | Status::Queued => set == (false, false),
        Status::Running => set == (true, false),
        Status::Success | Status::Error => set == (true, true),
        Status::Cancelled => job.completed.is_some(),
    };
    in_order && as_status && (job.status == Status::Error) == job.reason.is_some()
}
