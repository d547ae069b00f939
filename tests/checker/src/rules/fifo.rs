//! I6: first in, first out within a key of a queue and priority, in the order of grants in the log. A job that was certainly
//! queued before another of its line is never granted after it. Limits keep back all jobs of a line, or none.

use crate::facts::{At, Facts, Stay};
use crate::highest::Highest;
use crate::map::Map;
use crate::rule::{Findings, Rule};

pub(super) const RULE: Rule = Rule {
    name: "fifo",
    means: "jobs of one queue, priority and key are granted in the order in which they were queued",
    check,
};

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    let mut lines: Map<(&str, u8, &str), Vec<&Stay<'_>>> = Map::default();
    for stay in &facts.stays {
        lines.entry((stay.queue, stay.priority, stay.key)).or_default().push(stay);
    }
    for line in lines.values() {
        // Of the jobs that were queued by then: how late the last of them left.
        let ahead: Highest<At, (At, usize)> =
            line.iter().map(|stay| (stay.ready.last, (stay.left.first, stay.life))).collect();
        for stay in line.iter().filter(|stay| stay.taken) {
            let passed =
                ahead.below(stay.ready.first.min(stay.left.first)).filter(|(left, _)| *left > stay.left.last);
            findings.require(passed.is_none(), || {
                let (_, other) = passed.expect("the check found one");
                show(facts, stay, other, "was queued before it")
            });
        }
    }
}

pub(super) fn show(facts: &Facts<'_>, stay: &Stay<'_>, other: usize, why: &str) -> (String, Vec<usize>) {
    let (taken, waiting) = (&facts.lives[stay.life], &facts.lives[other]);
    let what = format!(
        "job {} was granted at {} although job {} {why} and waited until {}",
        taken.id,
        stay.left.last,
        waiting.id,
        facts.stays.iter().find(|stay| stay.life == other).map_or(At::END, |stay| stay.left.first),
    );
    let requests = [taken, waiting].into_iter().flat_map(|life| life.births.iter().chain(&life.grants));
    (what, facts.lines(requests.map(|(op, _)| *op)))
}
