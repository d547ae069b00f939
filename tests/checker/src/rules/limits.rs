//! Limits hold: at no place in the log do certainly more jobs of a queue run than its setting allowed when the last of them was
//! granted, nor of a key of it.

use std::collections::BTreeMap;

use crate::facts::{At, Facts, Settings, Span, Stay};
use crate::queue::QueueLimits;
use crate::rule::{Findings, Rule};

pub(super) const RULE: Rule = Rule {
    name: "limits",
    means: "no more jobs of a queue or key run at once than its setting allows",
    check,
};

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    for (queue, stays) in facts.queues() {
        let settings = facts.settings(queue);
        let limits = settings.tightest(Span::UNKNOWN);
        let taken: Vec<&Stay<'_>> = stays.into_iter().filter(|stay| stay.taken).collect();
        if limits.max_running.is_some() {
            at_most(facts, findings, queue, settings, |limits| limits.max_running, &taken);
        }
        let mut keys: BTreeMap<&str, Vec<&Stay<'_>>> = BTreeMap::new();
        for stay in taken {
            keys.entry(stay.key).or_default().push(stay);
        }
        for (key, stays) in keys {
            if limits.per_key(key).is_some() {
                let whose = format!("{key} in {queue}");
                at_most(facts, findings, &whose, settings, |limits| limits.per_key(key), &stays);
            }
        }
    }
}

/// Goes through the log: of jobs that certainly run there are never more.
fn at_most(
    facts: &Facts<'_>,
    findings: &mut Findings,
    whose: &str,
    settings: &Settings,
    most: impl Fn(QueueLimits) -> Option<u32>,
    taken: &[&Stay<'_>],
) {
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
    let mut running: Vec<usize> = Vec::new();
    for (at, begins, number) in steps {
        if !begins {
            running.retain(|other| *other != number);
            continue;
        }
        running.push(number);
        // Where the last of them was granted.
        let first = running.iter().map(|number| taken[*number].left.first).max().unwrap_or(at);
        let Some(most) = most(settings.loosest(Span { first, last: at })) else {
            findings.unclear += 1;
            continue;
        };
        findings.require(running.len() as u64 <= u64::from(most), || {
            let run: Vec<&Stay<'_>> = running.iter().map(|number| taken[*number]).collect();
            let what = format!("at {at} {} jobs of {whose} run, and {most} may", run.len());
            (what, facts.grants(&run))
        });
    }
}
