//! A deleted job is gone for good, from every node.

use crate::call::Call;
use crate::facts::{At, Facts};
use crate::rule::{Findings, Rule};

pub(super) const RULE: Rule =
    Rule { name: "deleted", means: "a job whose deletion was acknowledged is never seen again", check };

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    for life in &facts.lives {
        let delete = life.calls.iter().find_map(|op| {
            let deletes = matches!(facts.op(*op).call, Call::Delete { .. });
            Some((facts.effects[*op].exactly().filter(|_| deletes)?, *op))
        });
        let Some((at, delete)) = delete else { continue };
        for seen in &life.sightings {
            let after = match seen.op.map(|op| facts.op(op).index) {
                None => true,
                Some(index) => index.is_some_and(|index| At::command(index) > at),
            };
            findings.require(!after, || {
                let lines = facts.lines([delete]).into_iter().chain([seen.line]).collect::<Vec<_>>();
                (format!("job {} was deleted at {at} and is there afterwards", life.id), lines)
            });
        }
    }
}
