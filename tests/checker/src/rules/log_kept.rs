//! The log of a finished job is the one that its worker was acknowledged for.

use crate::call::Call;
use crate::facts::Facts;
use crate::rule::{Findings, Rule};

pub(super) const RULE: Rule = Rule {
    name: "log-kept",
    means: "a finished job has the log that was acknowledged, on every node",
    check,
};

fn check(facts: &Facts<'_>, findings: &mut Findings) {
    for life in &facts.lives {
        let sent = life.calls.iter().find_map(|op| {
            facts.effects[*op].exactly()?;
            Some((sent(&facts.op(*op).call)?, *op))
        });
        let Some((sent, op)) = sent else { continue };
        for seen in &life.sightings {
            let Some(log) = &seen.job.log else { continue };
            findings.require(**log == *sent, || {
                let lines = facts.lines([op]).into_iter().chain([seen.line]).collect::<Vec<_>>();
                (format!("job {} has another log than was acknowledged", life.id), lines)
            });
        }
    }
}

fn sent(call: &Call) -> Option<&str> {
    match call {
        Call::Success { log, .. } | Call::Fail { log, .. } => log.as_deref(),
        Call::Enqueue { .. }
        | Call::Consume { .. }
        | Call::Finish { .. }
        | Call::Cancel { .. }
        | Call::Touch { .. }
        | Call::Retry { .. }
        | Call::Release { .. }
        | Call::Delete { .. }
        | Call::Set { .. }
        | Call::Operate { .. }
        | Call::Stop { .. }
        | Call::Watch { .. }
        | Call::Get { .. }
        | Call::List { .. } => None,
    }
}
