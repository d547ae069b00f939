//! No effect without a cause, nor before it: a job is there, runs or has ended only after somebody sent the request for
//! that.

use crate::call::Call;
use crate::event::{Op, Outcome};
use crate::facts::{Facts, Life};
use crate::job::{JobRecord, Reason, Status};
use crate::map::Map;
use crate::rule::{Findings, Rule};

pub(super) const RULE: Rule =
    Rule { name: "cause", means: "nothing is seen of a request before it is sent, or without it", check };

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    let takes = |op: &&Op| op.outcome == Outcome::Info && op.call.takes();
    let unanswered: Vec<&Op> = facts.history.ops.iter().filter(takes).collect();
    let first = |queue: &str| {
        let first = unanswered.iter().filter(|op| op.call.takes_from(queue)).map(|op| op.invoke).min();
        first.unwrap_or(u64::MAX)
    };
    let mut by_queue: Map<&str, u64> = Map::default();
    for life in &facts.lives {
        let queue = life.latest().map_or("", |seen| &*seen.job.queue);
        let unanswered_consume = *by_queue.entry(queue).or_insert_with_key(|queue| first(queue));
        let answered = life.grants.iter().map(|(op, _)| facts.op(*op).invoke).min();
        let granted = match life.grants.iter().any(|(op, _)| facts.effects[*op].exactly().is_some()) {
            true => answered.unwrap_or(unanswered_consume),
            // The first attempt had no answer.
            false => answered.map_or(unanswered_consume, |answered| answered.min(unanswered_consume)),
        };
        let born = born(facts, life);
        for seen in &life.sightings {
            let by = seen.op.map_or(u64::MAX, |op| facts.op(op).returned);
            let mut early = |holds: bool, what: &str| {
                findings.require(holds, || {
                    (format!("job {} {what} before anybody asked for that", life.id), vec![seen.line])
                });
            };
            early(born <= by, "is there");
            if seen.job.started.is_some() {
                early(granted < u64::MAX && granted <= by, "runs");
            }
            if seen.job.status.is_final() && seen.job.reason != Some(Reason::Timeout) {
                let ended = earliest(facts, life, |call| ends_so(call, seen.job));
                early(ended < u64::MAX && ended <= by, "has ended");
            }
        }
    }
}

/// When the first request went out that can have made the job. A retry that the cluster adds has no request of its own.
fn born(facts: &Facts<'_>, life: &Life<'_>) -> u64 {
    let tag = life.latest().map_or("", |seen| &*seen.job.tag);
    let attempts = facts.asked.get(tag).into_iter().flat_map(|asked| &asked.ops);
    attempts.map(|op| facts.op(*op).invoke).min().unwrap_or(0)
}

fn ends_so(call: &Call, job: &JobRecord) -> bool {
    match call {
        Call::Success { .. } => job.status == Status::Success,
        Call::Fail { reason, .. } => job.reason == Some(*reason),
        Call::Cancel { .. } | Call::Release { .. } => job.status == Status::Cancelled,
        Call::Enqueue { .. }
        | Call::Consume { .. }
        | Call::Finish { .. }
        | Call::Touch { .. }
        | Call::Retry { .. }
        | Call::Delete { .. }
        | Call::Set { .. }
        | Call::Operate { .. }
        | Call::Stop { .. }
        | Call::Watch { .. }
        | Call::Get { .. }
        | Call::List { .. } => false,
    }
}

/// When the first such request on the job went out that may have had an effect; `u64::MAX` where none did.
fn earliest(facts: &Facts<'_>, life: &Life<'_>, such: impl Fn(&Call) -> bool) -> u64 {
    let requests = life.calls.iter().map(|op| facts.op(*op));
    let requests = requests.filter(|op| op.outcome != Outcome::Fail && such(&op.call));
    requests.map(|op| op.invoke).min().unwrap_or(u64::MAX)
}
