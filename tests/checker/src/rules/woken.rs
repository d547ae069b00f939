//! Waiting is for an empty queue: no consume goes on waiting while a job is queued. Each node wakes one of those that wait
//! there for each job; if that one does not take it, another must.

use super::keys::is_alone;
use crate::call::Call;
use crate::event::{Op, Outcome};
use crate::facts::Facts;
use crate::highest::Highest;
use crate::job::Status;
use crate::rule::{Findings, Rule};

pub(super) const RULE: Rule =
    Rule { name: "woken", means: "no consume goes on waiting while a job is queued", check };

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    let prompt = facts.history.run.prompt_ms * 1_000;
    let queued = queued(facts);
    let before: Highest<u64, (u64, usize)> =
        queued.iter().map(|job| (job.from, (job.until, job.life))).collect();
    let is_alone = is_alone(facts);
    for (number, op) in facts.history.ops.iter().enumerate().filter(|(_, op)| waits(op)) {
        if !is_alone(op) {
            findings.unclear += 1;
            continue;
        }
        let already = before.below(op.invoke + 1).map(|(until, life)| (op.invoke, until, life));
        let came = queued.partition_point(|job| job.from <= op.invoke)
            ..queued.partition_point(|job| job.from < op.returned);
        let came = queued[came].iter().map(|job| (job.from, job.until, job.life));
        // It took these itself, as late as it was answered.
        let took = op.jobs.iter().filter_map(|job| facts.number(&job.id)).filter_map(|life| {
            let from = acknowledged(facts, life)?;
            Some((from.max(op.invoke), op.returned, life))
        });
        let slept = already.into_iter().chain(came).chain(took).map(|(from, until, life)| {
            let until = until.min(op.returned);
            // Most are over before that takes a look at the faults.
            let long = until.saturating_sub(from) > prompt;
            (if long { facts.calm.between(from, until) } else { 0 }, life)
        });
        let longest = slept.max().filter(|(slept, _)| *slept > prompt);
        findings.require(longest.is_none(), || {
            let (slept, life) = longest.expect("the check found one");
            let life = &facts.lives[life];
            let what = format!(
                "a consume waited on {} for {} ms of calm while job {} was queued",
                op.node,
                slept / 1_000,
                life.id
            );
            let requests = life.births.iter().chain(&life.grants).map(|(op, _)| *op);
            (what, facts.lines(requests.chain([number])))
        });
    }
}

fn waits(op: &Op) -> bool {
    let Call::Consume { wait, .. } = op.call else { return false };
    wait > 0 && (op.outcome == Outcome::Ok || op.left)
}

/// A job that was queued all the time.
struct Queued {
    /// When that was acknowledged.
    from: u64,
    /// When the request went out that made it leave.
    until: u64,
    life: usize,
}

/// By when they were acknowledged.
fn queued(facts: &Facts<'_>) -> Vec<Queued> {
    let queued = |stay: &crate::facts::Stay| {
        let from = acknowledged(facts, stay.life)?;
        (stay.leave_invoked > from).then_some(Queued { from, until: stay.leave_invoked, life: stay.life })
    };
    let mut all: Vec<Queued> = facts.stays.iter().filter_map(queued).collect();
    all.sort_by_key(|job| job.from);
    all
}

/// When an answer first said that the job is queued.
fn acknowledged(facts: &Facts<'_>, life: usize) -> Option<u64> {
    let life = &facts.lives[life];
    let queued = |(op, place): &(usize, usize)| facts.op(*op).jobs[*place].status == Status::Queued;
    life.births.iter().filter(|birth| queued(birth)).map(|(op, _)| facts.op(*op).returned).min()
}
