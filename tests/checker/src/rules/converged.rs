//! I17: replicas agree. At the end every node was scanned, has applied the same, and holds the same jobs.

use crate::facts::Facts;
use crate::history::NodeScan;
use crate::job::JobRecord;
use crate::map::Map;
use crate::rule::{Findings, Rule};

pub(super) const RULE: Rule = Rule {
    name: "converged",
    means: "at the end every node has applied the same and holds the same jobs",
    check,
};

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    let scans = &facts.history.scans;
    for node in &facts.history.run.nodes {
        findings
            .require(scans.iter().any(|scan| scan.node == *node), || (format!("{node} was not scanned"), []));
    }
    let Some((first, others)) = scans.split_first() else { return };
    let jobs: Map<&str, (usize, &JobRecord)> =
        first.jobs.iter().enumerate().map(|(place, job)| (&*job.id, (first.line + 1 + place, job))).collect();
    for other in others {
        findings.require(first.index == other.index, || {
            let what = format!("{} has applied {}, {} {}", first.node, first.index, other.node, other.index);
            (what, [])
        });
        if first.index == other.index {
            same_jobs(findings, first, &jobs, other);
        }
    }
}

fn same_jobs(
    findings: &mut Findings,
    first: &NodeScan,
    jobs: &Map<&str, (usize, &JobRecord)>,
    other: &NodeScan,
) {
    let mut common = 0;
    for (place, job) in other.jobs.iter().enumerate() {
        let line = other.line + 1 + place;
        let counterpart = jobs.get(&*job.id);
        common += usize::from(counterpart.is_some());
        findings.require(counterpart.is_some_and(|(_, counterpart)| *counterpart == job), || {
            let what = format!("job {} is not the same on {} and {}", job.id, first.node, other.node);
            (what, counterpart.map(|(line, _)| *line).into_iter().chain([line]).collect::<Vec<_>>())
        });
    }
    findings.require(common == jobs.len(), || {
        let missing = jobs.len() - common;
        (format!("{missing} jobs of {} are not on {}", first.node, other.node), [])
    });
}
