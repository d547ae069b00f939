//! A rate holds: from any grant of a queue to any later one there are no more than its rate holds and what that time adds to it.
//! A job says at what log time it was granted, so nothing is allowed for; a grant that nobody saw only makes it easier. A queue
//! whose rate is changed while it is judged is unclear.

use crate::facts::{Facts, Span, Stay};
use crate::queue::Rate;
use crate::rule::{Findings, Rule};

pub(super) const RULE: Rule = Rule {
    name: "rates",
    means: "no more jobs of a queue are granted in any time than its rate allows",
    check,
};

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    for (queue, stays) in facts.queues() {
        let settings = facts.settings(queue);
        match (settings.tightest(Span::UNKNOWN).rate, settings.loosest(Span::UNKNOWN).rate) {
            (Some(_), Some(rate)) => grants(facts, findings, queue, rate, &stays),
            (Some(_), None) => findings.unclear += stays.len(),
            (None, _) => {}
        }
    }
}

fn grants(facts: &Facts<'_>, findings: &mut Findings, queue: &str, rate: Rate, stays: &[&Stay<'_>]) {
    let started = |stay: &&'_ Stay<'_>| Some((facts.lives[stay.life].started()?, stay.life));
    let mut granted: Vec<(u64, usize)> = stays.iter().filter_map(started).collect();
    granted.sort_unstable();
    // In parts of a millisecond, so that nothing is rounded: so many pass for a job, and so many in a millisecond.
    let (a_job, a_milli) = (i128::from(rate.seconds) * 1_000, i128::from(rate.jobs));
    let ahead =
        |(number, (at, _)): (usize, &(u64, usize))| number as i128 * a_job - i128::from(*at) * a_milli;
    let mut least: Option<(i128, usize)> = None;
    for (number, grant) in granted.iter().enumerate() {
        let now = ahead((number, grant));
        let (since, first) = *least.get_or_insert((now, number));
        findings.require(now - since <= (a_milli - 1) * a_job, || {
            let (from, until) = (granted[first].0, grant.0);
            let what = format!(
                "{} jobs of {queue} were granted in the {} ms up to {until}, and the rate is {} in {} s",
                number + 1 - first,
                until - from,
                rate.jobs,
                rate.seconds
            );
            let jobs = granted[first..=number].iter().map(|(_, life)| facts.lives[*life].latest());
            (what, jobs.flatten().map(|seen| seen.line).collect::<Vec<_>>())
        });
        if now < since {
            least = Some((now, number));
        }
    }
}
