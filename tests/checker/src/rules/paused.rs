//! A paused queue grants nothing: none of its jobs is granted between the place where it was paused and the first where it may
//! have been resumed.

use crate::facts::{Facts, Span};
use crate::rule::{Findings, Rule};

pub(super) const RULE: Rule =
    Rule { name: "paused", means: "no job is granted while its queue is certainly paused", check };

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    for (queue, stays) in facts.queues() {
        let settings = facts.settings(queue);
        if !settings.tightest(Span::UNKNOWN).paused {
            continue;
        }
        for stay in stays.into_iter().filter(|stay| stay.taken) {
            let is_paused = settings.loosest(stay.left).paused;
            if !is_paused && settings.tightest(stay.left).paused {
                findings.unclear += 1;
                continue;
            }
            findings.require(!is_paused, || {
                let id = facts.lives[stay.life].id;
                (format!("job {id} was granted from {queue}, which is paused"), facts.grants(&[stay]))
            });
        }
    }
}
