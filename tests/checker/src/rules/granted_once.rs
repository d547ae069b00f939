//! I3: a job is granted to one consumer, once; what was granted without an answer is accounted for by consumes whose
//! outcome is not known.

use crate::call::Call;
use crate::event::Outcome;
use crate::facts::{Effect, Facts};
use crate::job::Status;
use crate::rule::{Findings, Rule};

pub(super) const RULE: Rule =
    Rule { name: "granted-once", means: "each job is granted at most once, to a consumer that asked", check };

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    let mut unanswered: Vec<usize> = Vec::new();
    for life in &facts.lives {
        let first_answers = || {
            let ops = life.grants.iter().map(|(op, _)| *op);
            ops.filter(|op| !matches!(facts.effects[*op], Effect::Repeated(_)))
        };
        findings.require(first_answers().count() <= 1, || {
            (format!("job {} was granted more than once", life.id), facts.lines(first_answers()))
        });
        if life.started().is_some() && life.grants.is_empty() {
            unanswered
                .extend(life.sightings.iter().find(|seen| seen.job.started.is_some()).map(|seen| seen.line));
        }
    }
    let mut may_have_taken: usize = 0;
    for (number, op) in facts.history.ops.iter().enumerate() {
        let Call::Consume { n, .. } = op.call else { continue };
        let most = usize::try_from(n).unwrap_or(usize::MAX);
        if op.outcome == Outcome::Info {
            may_have_taken = may_have_taken.saturating_add(most);
        }
        let well = op.jobs.len() <= most && op.jobs.iter().all(|job| job.status == Status::Running);
        findings.require(well, || {
            (
                "a consume answers more jobs than it asked for, or one that does not run".to_owned(),
                facts.lines([number]),
            )
        });
    }
    findings.require(unanswered.len() <= may_have_taken, || {
        let what = format!(
            "{} jobs were granted to nobody, and the consumes without an answer asked for {may_have_taken}",
            unanswered.len()
        );
        (what, unanswered.iter().copied().take(3).collect::<Vec<_>>())
    });
}
