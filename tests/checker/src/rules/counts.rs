//! What a queue says of how many jobs it has is what a list of all jobs has, at the same applied index.

use std::collections::BTreeSet;

use crate::facts::Facts;
use crate::rule::{Findings, Rule};

pub(super) const RULE: Rule = Rule {
    name: "counts",
    means: "each queue counts as many jobs of each status as a list of all has",
    check,
};

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    for (line, counts) in &facts.history.counts {
        let names: BTreeSet<&str> =
            counts.queues.keys().chain(counts.listed.keys()).map(|name| &**name).collect();
        for name in names {
            let [said, listed] = [&counts.queues, &counts.listed].map(|tallies| tallies.get(name));
            let tally = |tally: Option<&crate::event::Tally>| {
                let counted = tally.into_iter().flatten().filter(|(_, jobs)| **jobs > 0);
                counted.map(|(of, jobs)| (of.clone(), *jobs)).collect::<Vec<_>>()
            };
            findings.require(tally(said) == tally(listed), || {
                let what = format!(
                    "on {} at {} the queue {name} says {:?}, and a list of all jobs has {:?}",
                    counts.node,
                    counts.index,
                    tally(said),
                    tally(listed)
                );
                (what, [*line])
            });
        }
    }
}
