//! I1: an acknowledged job is never lost. Whatever a cluster answered about a job was committed, so from the first
//! answer that showed it, it stands on every node, unless it was deleted.

use crate::facts::Facts;
use crate::rule::{Findings, Rule};

pub(super) const RULE: Rule =
    Rule { name: "kept", means: "every job that an answer showed stands on every node at the end", check };

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    for life in &facts.lives {
        let Some(first) = life.sightings.first() else { continue };
        let lost = || {
            let missing =
                facts.history.scans.iter().filter(|scan| !scan.jobs.iter().any(|job| *job.id == *life.id));
            let names: Vec<&str> = missing.map(|scan| &*scan.node).collect();
            (format!("job {} is not on {}", life.id, names.join(", ")), [first.line])
        };
        let everywhere = life.scans == facts.history.scans.len();
        findings.require(everywhere || facts.may_be_deleted(life), lost);
    }
}
