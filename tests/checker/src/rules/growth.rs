//! The log grows by what was asked: an entry for a request at the most, give or take; for a job that becomes queued some
//! more, since a consumer may be woken on each node and only one gets it; for a timer that is due one; and some when the
//! leader or the members change. More is a loop that fills the log.

use crate::call::Call;
use crate::event::{Op, Outcome};
use crate::facts::{Facts, timers};
use crate::highest::Highest;
use crate::rule::{Findings, Rule};

pub(super) const RULE: Rule =
    Rule { name: "growth", means: "the log grows no faster than requests and timers make it", check };

/// Entries for each request, and for each job that it may make queued.
const EACH: u64 = 4;
/// Entries for each fault, and for everything else.
const SLACK: u64 = 150;
/// Requests that are shown.
const SHOWN: usize = 3;
/// An unanswered request may have its effect so much later, in microseconds.
const LATE: u64 = 30_000_000;

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    let length = facts.history.run.prompt_ms.max(1) * 1_000;
    let ops = &facts.history.ops;
    let reached: Highest<u64, u64> =
        ops.iter().filter_map(|op| Some((op.returned, op.index?.index))).collect();
    let mut due: Vec<u64> = facts.lives.iter().flat_map(|life| timers(facts, life)).collect();
    due.sort_unstable();
    for (window, asked) in (0..).zip(asked(ops, length)) {
        let (from, until) = (window * length, (window + 1) * length);
        let Some(after) = reached.below(until) else { continue };
        let before = reached.below(from).unwrap_or(0);
        let first = facts.clock.bounds(before).0.saturating_sub(facts.history.run.late_ms);
        let last = facts.clock.bounds(after).1;
        let timers = due.partition_point(|due| *due <= last) - due.partition_point(|due| *due < first);
        let faults = facts.history.faults.iter().filter(|fault| fault.from < until && fault.until >= from);
        let most = EACH * (asked + timers as u64) + SLACK * (1 + faults.count() as u64);
        let grown = after - before;
        findings.require(grown <= most, || {
            let [from_s, until_s] = [from, until].map(|at| at / 1_000_000);
            let what = format!(
                "from {from_s} s to {until_s} s the log grew by {grown} entries, for {asked} requests and jobs and \
                 {timers} timers",
            );
            let meanwhile = ops.iter().enumerate().filter(|(_, op)| op.invoke < until && op.returned >= from);
            (what, facts.lines(meanwhile.map(|(number, _)| number).take(SHOWN)))
        });
    }
}

/// For each stretch of this length, in microseconds: the requests that may have had their effect in it, and the jobs that
/// they enqueue.
fn asked(ops: &[Op], length: u64) -> Vec<u64> {
    let window = |at: u64| usize::try_from(at / length).unwrap_or(usize::MAX);
    let last = ops.iter().map(|op| window(op.returned)).max();
    let mut asked = vec![0; last.map_or(0, |last| last + 1)];
    for op in ops.iter().filter(|op| !op.call.is_read()) {
        let late = if op.outcome == Outcome::Info { LATE } else { 0 };
        let weight = match &op.call {
            Call::Enqueue { jobs } => 1 + jobs.len() as u64,
            Call::Consume { .. }
            | Call::Success { .. }
            | Call::Fail { .. }
            | Call::Finish { .. }
            | Call::Cancel { .. }
            | Call::Touch { .. }
            | Call::Retry { .. }
            | Call::Release { .. }
            | Call::Delete { .. }
            | Call::Set { .. }
            | Call::Operate { .. }
            | Call::Stop { .. }
            | Call::Watch { .. }
            | Call::Get { .. }
            | Call::List { .. } => 1,
        };
        for asked in asked.iter_mut().take(window(op.returned + late) + 1).skip(window(op.invoke)) {
            *asked += weight;
        }
    }
    asked
}
