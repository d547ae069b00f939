//! A consume of several queues takes from the first that has a job: it is granted nothing while a job of one that it names
//! before is certainly queued. Where a limit may have kept that job back, it is unclear.

use super::fifo::show;
use crate::facts::{Facts, Keys, Queued, Stay};
use crate::map::Map;
use crate::rule::{Findings, Rule};

pub(super) const RULE: Rule = Rule {
    name: "in-order",
    means: "a consume takes no job while a queue that it names before has one",
    check,
};

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    let stays = facts.queues();
    let queues: Vec<Queue<'_>> = stays.iter().map(|(name, stays)| Queue::new(facts, name, stays)).collect();
    let queues: Map<&str, &Queue<'_>> = queues.iter().map(|queue| (queue.name, queue)).collect();
    for stay in facts.stays.iter().filter(|stay| stay.taken && stay.left.first == stay.left.last) {
        let named = named_before(facts, stay);
        if named.is_empty() {
            continue;
        }
        let passed = named.iter().filter_map(|name| queues.get(name)).flat_map(|queue| queue.passed(stay));
        match passed.min() {
            Some((true, _)) => findings.unclear += 1,
            passed => findings.require(passed.is_none(), || {
                let (_, other) = passed.expect("the check found one");
                show(facts, stay, other, "is in a queue that is named before")
            }),
        }
    }
}

/// What waits in a queue, and what may keep it back.
struct Queue<'s> {
    name: &'s str,
    keys: Keys<'s>,
    queued: Vec<(&'s str, Queued)>,
}

impl<'s> Queue<'s> {
    fn new(facts: &Facts<'_>, name: &'s str, stays: &[&'s Stay<'s>]) -> Queue<'s> {
        let keys = Keys::new(facts, name, stays);
        let queued = keys.queued(stays, |_| true);
        Queue { name, keys, queued }
    }

    /// Jobs that were queued when this one of another queue was granted, with whether they may have been kept back.
    fn passed(&self, stay: &Stay<'_>) -> impl Iterator<Item = (bool, usize)> {
        self.queued.iter().filter_map(|(key, queued)| {
            let (_, other) = queued.below(stay.left.first).filter(|(left, _)| *left > stay.left.last)?;
            Some((self.keys.may_be_closed(stay) || self.keys.may_be_full(key, stay), other))
        })
    }
}

/// The queues that the consume which took the job names before the job's own.
fn named_before<'f>(facts: &'f Facts<'_>, stay: &Stay<'_>) -> Vec<&'f str> {
    let grants = facts.lives[stay.life].grants.iter().map(|(op, _)| *op);
    let granted =
        grants.filter(|op| facts.effects[*op].exactly().is_some()).map(|op| facts.op(op).call.queues());
    granted.take(1).flatten().take_while(|queue| *queue != stay.queue).collect()
}
