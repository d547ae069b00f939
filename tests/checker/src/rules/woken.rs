//! Waiting is for an empty queue: no consume goes on waiting while there is always some job queued. Each node wakes one of
//! those that wait there for each job; if that one does not take it, another must. Of the queues that it waits for: what a
//! limit may keep back wakes nobody.

use crate::call::Call;
use crate::event::{Op, Outcome};
use crate::facts::{Facts, Stay};
use crate::highest::Highest;
use crate::job::{JobRecord, Status};
use crate::map::Map;
use crate::rule::{Findings, Rule};
use crate::source::Source;

pub(super) const RULE: Rule =
    Rule { name: "woken", means: "no consume goes on waiting while its queues have jobs", check };

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    let prompt = facts.history.run.prompt_ms * 1_000;
    let mut of_sources: Map<Source<'_>, Vec<Queued>> = Map::default();
    let log_time = LogTime::new(facts);
    for (number, op) in facts.history.ops.iter().enumerate().filter(|(_, op)| waits(op, prompt)) {
        let Some(source) = op.call.source() else { continue };
        let queued = of_sources.entry(source).or_insert_with_key(|source| queued(facts, source));
        // Its answer may have taken its time; what it took was taken before, and what follows is no sleep. One that
        // repeats an answer took nothing.
        let took = if op.replayed { &[][..] } else { &op.jobs[..] };
        let taken = took.iter().filter_map(|job| job.started).max();
        let meanwhile = queued.partition_point(|queued| queued.until <= op.invoke)
            ..queued.partition_point(|queued| queued.from < op.returned);
        let slept = queued[meanwhile].iter().copied().chain(until_taken(facts, queued, took, op.returned));
        let slept = slept.map(|Queued { from, until, life }| {
            let from = from.max(op.invoke);
            let calm = facts.calm(&op.node, from, until.min(op.returned));
            (taken.map_or(calm, |taken| calm.min(log_time.until(from, taken))), life)
        });
        let longest = slept.max().filter(|(slept, _)| *slept > prompt);
        findings.require(longest.is_none(), || {
            let (slept, life) = longest.expect("the check found one");
            let life = &facts.lives[life];
            let what = format!(
                "a consume waited on {} for {} ms of calm while jobs were queued, first job {}",
                op.node,
                slept / 1_000,
                life.id
            );
            let requests = life.births.iter().chain(&life.grants).map(|(op, _)| *op);
            (what, facts.lines(requests.chain([number])))
        });
    }
}

/// True for a consume that may sleep for too long.
fn waits(op: &Op, prompt: u64) -> bool {
    let Call::Consume { wait, .. } = op.call else { return false };
    u64::from(wait) * 1_000_000 > prompt && (op.outcome == Outcome::Ok || op.left)
}

/// What is known of log time at a moment of the harness's clock.
struct LogTime<'f, 'h> {
    facts: &'f Facts<'h>,
    /// By when it had been answered, how far the log had got.
    reached: Highest<u64, u64>,
}

impl<'f, 'h> LogTime<'f, 'h> {
    fn new(facts: &'f Facts<'h>) -> LogTime<'f, 'h> {
        let answered = facts.history.ops.iter().filter_map(|op| Some((op.returned, op.index?.index)));
        LogTime { facts, reached: answered.collect() }
    }

    /// The most that log time can have gone on between a moment and `then`, in microseconds.
    fn until(&self, from: u64, then: u64) -> u64 {
        let at_least = self.reached.below(from).map_or(0, |index| self.facts.clock.bounds(index).0);
        then.saturating_sub(at_least).saturating_mul(1_000)
    }
}

/// A time in which there was always a job queued, for certain.
#[derive(Clone, Copy)]
struct Queued {
    /// When the first of them was acknowledged.
    from: u64,
    /// When the request went out that may have taken the last of them.
    until: u64,
    /// The first of them.
    life: usize,
}

/// All such times of the queues of a source, ascending and apart from each other.
fn queued(facts: &Facts<'_>, source: &Source<'_>) -> Vec<Queued> {
    let one = |stay: &Stay<'_>| {
        let from = acknowledged(facts, stay.life)?;
        (stay.leave_invoked > from).then_some(Queued { from, until: stay.leave_invoked, life: stay.life })
    };
    let mut jobs: Vec<Queued> = facts
        .stays
        .iter()
        .filter(|stay| source.names(stay.queue) && !facts.may_be_kept_back(stay.queue, stay.key))
        .filter_map(one)
        .collect();
    jobs.sort_by_key(|job| job.from);
    let mut all: Vec<Queued> = Vec::new();
    for job in jobs {
        match all.last_mut() {
            Some(last) if job.from <= last.until => last.until = last.until.max(job.until),
            Some(_) | None => all.push(job),
        }
    }
    all
}

/// What it took itself was queued until it was answered.
fn until_taken(facts: &Facts<'_>, queued: &[Queued], took: &[JobRecord], returned: u64) -> Option<Queued> {
    let wakes = |job: &&JobRecord| !facts.may_be_kept_back(&job.queue, &job.key);
    let taken = took.iter().filter(wakes).filter_map(|job| facts.number(&job.id));
    let (from, life) = taken.filter_map(|life| Some((acknowledged(facts, life)?, life))).min()?;
    let before = queued.partition_point(|queued| queued.from <= from).checked_sub(1).map(|at| queued[at]);
    let before = before.filter(|before| before.until >= from);
    let first = before.unwrap_or(Queued { from, until: from, life });
    Some(Queued { until: returned, ..first })
}

/// When an answer first said that the job is queued.
fn acknowledged(facts: &Facts<'_>, life: usize) -> Option<u64> {
    let life = &facts.lives[life];
    let queued = |(op, place): &(usize, usize)| facts.op(*op).jobs[*place].status == Status::Queued;
    life.births.iter().filter(|birth| queued(birth)).map(|(op, _)| facts.op(*op).returned).min()
}
