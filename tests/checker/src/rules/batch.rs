//! I15: the jobs of one enqueue are added all or none, at one time, and answered in the order given.

use crate::call::Call;
use crate::event::Outcome;
use crate::facts::Facts;
use crate::job::NewJob;
use crate::map::Set;
use crate::rule::{Findings, Rule};

pub(super) const RULE: Rule = Rule {
    name: "batch",
    means: "the jobs of one enqueue are there all or none, and answered in order",
    check,
};

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    let mut keys = Set::default();
    for (number, op) in facts.history.ops.iter().enumerate() {
        let Call::Enqueue { jobs } = &op.call else { continue };
        if op.outcome == Outcome::Ok {
            // Given again under its key, the answer leaves out what was deleted meanwhile.
            let answered: Set<&str> = op.jobs.iter().map(|job| &*job.tag).collect();
            let there =
                |new: &&NewJob| answered.contains(&*new.tag) || new.unique.is_none() && !deleted(facts, new);
            let expected = jobs.iter().filter(there).map(|new| &new.tag);
            let shown = op.jobs.iter().filter(|job| !job.duplicate).map(|job| &job.tag);
            findings.require(expected.eq(shown), || {
                ("an enqueue answers other jobs than it was given".to_owned(), facts.lines([number]))
            });
        }
        // Attempts under one key are one enqueue.
        if op.key.as_ref().is_none_or(|key| keys.insert(&**key)) {
            all_or_none(facts, findings, number, jobs);
        }
    }
}

fn all_or_none(facts: &Facts<'_>, findings: &mut Findings, number: usize, jobs: &[NewJob]) {
    let roots = |new: &NewJob| facts.asked.get(&*new.tag).map_or(0, |asked| asked.jobs.len());
    // One that may have been kept away need not be there.
    let there: Vec<bool> = jobs.iter().map(|new| roots(new) > 0 || new.unique.is_some()).collect();
    if !jobs.iter().any(|new| roots(new) > 0) {
        findings.checked += 1;
        return;
    }
    let missing = jobs.iter().zip(&there).find(|(_, there)| !**there).map(|(new, _)| &new.tag);
    findings.require(missing.is_none(), || {
        let tag = missing.map_or("", |tag| &**tag);
        (format!("a batch is there without its job {tag}"), facts.lines([number]))
    });
    let created = jobs.iter().filter_map(|new| {
        let job = *facts.asked.get(&*new.tag)?.jobs.first()?;
        facts.lives[job].latest().map(|seen| seen.job.created)
    });
    let times: Set<u64> = created.collect();
    findings.require(times.len() <= 1, || {
        ("the jobs of a batch came at different times".to_owned(), facts.lines([number]))
    });
}

fn deleted(facts: &Facts<'_>, new: &NewJob) -> bool {
    let jobs = facts.asked.get(&*new.tag).map_or(&[][..], |asked| &asked.jobs);
    jobs.iter().any(|job| facts.may_be_deleted(&facts.lives[*job]))
}
