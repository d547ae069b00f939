//! Keys take turns: of two grants of one key, the second comes after one of each other key of that queue and priority that
//! waits all the time. So a job whose key has its turn waits for one job at most of each other key. A key that its limit may
//! have kept back at the second grant is unclear; at the first it has its place in the order all the same.

use std::collections::BTreeMap;

use super::fifo::show;
use crate::facts::{At, Facts, Keys, Queued, Stay};
use crate::highest::Highest;
use crate::rule::{Findings, Rule};

pub(super) const RULE: Rule =
    Rule { name: "turns", means: "no key is granted two jobs while another key waits in vain", check };

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    for (queue, stays) in facts.queues() {
        let limited = Keys::new(facts, queue, &stays);
        for priority in 0..=2 {
            let mut keys: BTreeMap<&str, Vec<&Stay<'_>>> = BTreeMap::new();
            for stay in stays.iter().filter(|stay| stay.priority == priority) {
                keys.entry(stay.key).or_default().push(stay);
            }
            let lines: Vec<Line<'_>> = keys.into_iter().map(|(key, stays)| Line::new(key, &stays)).collect();
            if lines.len() > 1 {
                lines.iter().for_each(|line| take_turns(facts, findings, &limited, line, &lines));
            }
        }
    }
}

/// The jobs of a key.
struct Line<'s> {
    key: &'s str,
    queued: Queued,
    /// Grants that are known exactly, in the order of the log.
    grants: Vec<&'s Stay<'s>>,
    /// From where on it may have been granted a job, and how far.
    may_grant: Highest<At, At>,
}

impl<'s> Line<'s> {
    fn new(key: &'s str, stays: &[&'s Stay<'s>]) -> Line<'s> {
        let is_exact = |stay: &&Stay<'_>| stay.taken && stay.left.first == stay.left.last;
        let mut grants: Vec<&Stay<'_>> = stays.iter().copied().filter(is_exact).collect();
        grants.sort_unstable_by_key(|stay| stay.left.first);
        let may_be = stays.iter().filter(|stay| stay.may_have_run());
        Line {
            key,
            queued: stays.iter().map(|stay| (stay.ready.last, (stay.left.first, stay.life))).collect(),
            grants,
            may_grant: may_be.map(|stay| (stay.left.first, stay.left.last)).collect(),
        }
    }
}

fn take_turns(
    facts: &Facts<'_>,
    findings: &mut Findings,
    limited: &Keys<'_>,
    line: &Line<'_>,
    all: &[Line<'_>],
) {
    for pair in line.grants.windows(2) {
        let [from, until] = [pair[0].left.first, pair[1].left.first];
        let others = all.iter().filter(|other| other.key != line.key);
        let passed = others.filter_map(|other| {
            let (_, life) = other.queued.below(from).filter(|(left, _)| *left > until)?;
            let had_its_turn = other.may_grant.below(until).is_some_and(|last| last > from);
            (!had_its_turn).then(|| (limited.may_be_full(other.key, pair[1]), life))
        });
        match passed.min() {
            Some((true, _)) => findings.unclear += 1,
            passed => findings.require(passed.is_none(), || {
                let (_, other) = passed.expect("the check found one");
                let why = format!(
                    "of another key waited since before {from}, when one of the same key was granted,"
                );
                show(facts, pair[1], other, &why)
            }),
        }
    }
}
