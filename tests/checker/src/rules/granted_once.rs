//! I3: a job is granted to one consumer, once; what was granted without an answer is accounted for by consumes whose
//! outcome is not known, and which asked for its queue.

use std::collections::BTreeMap;

use crate::call::Call;
use crate::event::Outcome;
use crate::facts::{Effect, Facts};
use crate::job::{JobRecord, Status};
use crate::rule::{Findings, Rule};

pub(super) const RULE: Rule =
    Rule { name: "granted-once", means: "each job is granted at most once, to a consumer that asked", check };

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    let mut unanswered: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for life in &facts.lives {
        let first_answers = || {
            let ops = life.grants.iter().map(|(op, _)| *op);
            ops.filter(|op| !matches!(facts.effects[*op], Effect::Repeated(_)))
        };
        findings.require(first_answers().count() <= 1, || {
            (format!("job {} was granted more than once", life.id), facts.lines(first_answers()))
        });
        if life.started().is_some() && life.grants.is_empty() {
            let seen = life.sightings.iter().find(|seen| seen.job.started.is_some());
            if let Some(seen) = seen {
                unanswered.entry(&seen.job.queue).or_default().push(seen.line);
            }
        }
    }
    let mut may_have_taken: usize = 0;
    let mut of_queue: BTreeMap<&str, usize> = unanswered.keys().map(|queue| (*queue, 0)).collect();
    for (number, op) in facts.history.ops.iter().enumerate() {
        let Call::Consume { n, .. } = op.call else { continue };
        let most = usize::try_from(n).unwrap_or(usize::MAX);
        if op.outcome == Outcome::Info {
            may_have_taken = may_have_taken.saturating_add(most);
            for (_, of_queue) in of_queue.iter_mut().filter(|(queue, _)| op.call.takes_from(queue)) {
                *of_queue = of_queue.saturating_add(most);
            }
        }
        let is_asked_for = |job: &JobRecord| job.status == Status::Running && op.call.takes_from(&job.queue);
        let well = op.jobs.len() <= most && op.jobs.iter().all(is_asked_for);
        findings.require(well, || {
            (
                "a consume answers more jobs than it asked for, or one that does not run, or of another queue".to_owned(),
                facts.lines([number]),
            )
        });
    }
    let all: Vec<usize> = unanswered.values().flatten().copied().collect();
    let of_queues =
        unanswered.iter().map(|(queue, lines)| (lines, of_queue.get(queue).copied().unwrap_or(0)));
    for (lines, most) in [(&all, may_have_taken)].into_iter().chain(of_queues) {
        findings.require(lines.len() <= most, || {
            let what = format!(
                "{} jobs were granted to nobody, and the consumes without an answer asked for {most}",
                lines.len()
            );
            (what, lines.iter().copied().take(3).collect::<Vec<_>>())
        });
    }
}
