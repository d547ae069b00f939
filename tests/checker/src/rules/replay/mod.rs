//! The certificate: every job's life, replayed in log order through [`quorate_core::apply`] on the model, gives the
//! answers that the cluster gave. Which job a consume takes is not replayed (the rules `fifo` and `priority` judge
//! that, where unknown outcomes leave the queue unknown): each chain of retries is replayed alone. A chain with a step
//! whose place or time in the log is not known exactly is left out and counted as unclear; other rules judge it.

mod chain;
mod run;

use crate::facts::Facts;
use crate::rule::{Findings, Rule};

pub(super) const RULE: Rule = Rule {
    name: "replay",
    means: "every answer about a job is the one that the model gives when its life is replayed in log order",
    check,
};

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    for (number, life) in facts.lives.iter().enumerate() {
        if life.sightings.first().is_none_or(|seen| seen.job.retry_of.is_some()) {
            continue;
        }
        match chain::steps(facts, number) {
            Some(steps) => run::replay(facts, &steps, findings),
            None => findings.unclear += 1,
        }
    }
}
