//! Limits hold: at no place in the log do certainly more jobs of a queue run than its setting allows, nor of a key of it; a
//! paused queue grants nothing.

use std::collections::BTreeMap;

use crate::facts::{At, Facts, Stay};
use crate::rule::{Findings, Rule};

pub(super) const RULE: Rule = Rule {
    name: "limits",
    means: "no more jobs of a queue or key run at once than its setting allows, and none is granted while it is paused",
    check,
};

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    for (queue, stays) in facts.queues() {
        let limits = facts.limits(queue);
        let taken: Vec<&Stay<'_>> = stays.into_iter().filter(|stay| stay.taken).collect();
        if limits.paused {
            for stay in &taken {
                findings.require(false, || {
                    let what = format!("job {} was granted from {queue}, which is paused", life(facts, stay));
                    (what, lines(facts, &[stay]))
                });
            }
        }
        if let Some(most) = limits.max_running {
            at_most(facts, findings, queue, most, &taken);
        }
        let mut keys: BTreeMap<&str, Vec<&Stay<'_>>> = BTreeMap::new();
        for stay in taken {
            keys.entry(stay.key).or_default().push(stay);
        }
        for (key, stays) in keys {
            if let Some(most) = limits.per_key(key) {
                at_most(facts, findings, &format!("{key} in {queue}"), most, &stays);
            }
        }
    }
}

/// Goes through the log: of jobs that certainly run there are never more.
fn at_most(facts: &Facts<'_>, findings: &mut Findings, whose: &str, most: u32, taken: &[&Stay<'_>]) {
    // In one place ends come first.
    let mut steps: Vec<(At, bool, usize)> = Vec::new();
    for (number, stay) in taken.iter().enumerate() {
        if stay.left.last < stay.ended.first {
            steps.extend([(stay.left.last, true, number), (stay.ended.first, false, number)]);
        } else {
            findings.unclear += 1;
        }
    }
    steps.sort_unstable();
    let mut running = Vec::new();
    for (at, begins, number) in steps {
        if !begins {
            running.retain(|other| *other != number);
            continue;
        }
        running.push(number);
        findings.require(running.len() as u64 <= u64::from(most), || {
            let run: Vec<&Stay<'_>> = running.iter().map(|number| taken[*number]).collect();
            let what = format!("at {at} {} jobs of {whose} run, and {most} may", run.len());
            (what, lines(facts, &run))
        });
    }
}

fn life<'f>(facts: &'f Facts<'_>, stay: &Stay<'_>) -> &'f str {
    facts.lives[stay.life].id
}

/// Where the jobs were granted, else where they were seen.
fn lines(facts: &Facts<'_>, stays: &[&Stay<'_>]) -> Vec<usize> {
    let line = |stay: &&Stay<'_>| {
        let life = &facts.lives[stay.life];
        let granted = life.grants.first().map(|(op, _)| facts.history.line_of(*op));
        granted.or(life.latest().map(|seen| seen.line))
    };
    stays.iter().filter_map(line).collect()
}
