use std::{fmt, panic, thread};

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use crate::event::Outcome;
use crate::facts::Facts;
use crate::history::History;
use crate::rule::{Findings, Rule};
use crate::rules::RULES;

/// What was proved of a history, or what breaks it.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Requests.
    pub operations: usize,
    /// Requests that were answered with 2xx.
    pub ok: usize,
    /// Requests whose outcome nobody knows.
    pub unknown: usize,
    /// Jobs that were seen.
    pub jobs: usize,
    /// Nodes that were scanned at the end.
    pub scans: usize,
    /// Every rule, with what it found.
    pub rules: Vec<RuleReport>,
}

/// What one rule found.
#[derive(Clone, Debug, Serialize)]
pub struct RuleReport {
    /// Its name.
    pub name: &'static str,
    /// What it means.
    pub means: &'static str,
    /// Checks that were made.
    pub checked: usize,
    /// What was left out because the history does not tell enough.
    pub unclear: usize,
    /// Checks that failed.
    pub broken: usize,
    /// The first of them.
    pub violations: Vec<ViolationReport>,
}

/// A place where a history breaks a rule.
#[derive(Clone, Debug, Serialize)]
pub struct ViolationReport {
    /// What is wrong.
    pub what: String,
    /// The lines that show it, with what stands there.
    pub events: Vec<(usize, String)>,
}

/// Asks every rule.
pub fn check(history: &History) -> Report {
    let facts = Facts::new(history);
    // Requests rather than parts of them: of one that was answered some part may have been refused.
    let count = |outcome: Option<Outcome>| {
        let ops = history
            .ops
            .iter()
            .enumerate()
            .filter(|(_, op)| !op.implied && outcome.is_none_or(|outcome| op.outcome == outcome));
        let mut lines: Vec<usize> = ops.map(|(number, _)| history.line_of(number)).collect();
        lines.dedup();
        lines.len()
    };
    let ask = |rule: &Rule| {
        let mut findings = Findings::default();
        (rule.check)(&facts, &mut findings);
        RuleReport::new(rule, findings, history)
    };
    let rules = thread::scope(|scope| {
        let asked = RULES.each_ref().map(|rule| scope.spawn(|| ask(rule)));
        asked.map(|rule| rule.join().unwrap_or_else(|panic| panic::resume_unwind(panic)))
    });
    Report {
        operations: count(None),
        ok: count(Some(Outcome::Ok)),
        unknown: count(Some(Outcome::Info)),
        jobs: facts.lives.len(),
        scans: history.scans.len(),
        rules: rules.into(),
    }
}

impl Report {
    /// True where no rule is broken.
    pub fn holds(&self) -> bool {
        self.broken().next().is_none()
    }

    /// The rules that are broken.
    pub fn broken(&self) -> impl Iterator<Item = &RuleReport> {
        self.rules.iter().filter(|rule| rule.broken > 0)
    }
}

impl RuleReport {
    fn new(rule: &Rule, findings: Findings, history: &History) -> RuleReport {
        let violations = findings.violations.into_iter().map(|violation| ViolationReport {
            what: violation.what,
            events: violation
                .lines
                .into_iter()
                .map(|line| (line, history.text_of(line).unwrap_or_default()))
                .collect(),
        });
        RuleReport {
            name: rule.name,
            means: rule.means,
            checked: findings.checked,
            unclear: findings.unclear,
            broken: findings.broken,
            violations: violations.collect(),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(["rule", "checked", "unclear", "broken", "what it means"]);
        for rule in &self.rules {
            let unclear = if rule.unclear == 0 { String::new() } else { rule.unclear.to_string() };
            let broken = if rule.broken == 0 { "-".to_owned() } else { rule.broken.to_string() };
            table.add_row([rule.name, &rule.checked.to_string(), &unclear, &broken, rule.means]);
        }
        writeln!(f, "{table}\n")?;
        writeln!(
            f,
            "{} requests ({} ok, {} unknown), {} jobs, {} nodes scanned",
            self.operations, self.ok, self.unknown, self.jobs, self.scans
        )?;
        for rule in self.broken() {
            writeln!(f, "\n{} is broken ({} times): {}", rule.name, rule.broken, rule.means)?;
            for violation in &rule.violations {
                writeln!(f, "  {}", violation.what)?;
                for (line, event) in &violation.events {
                    writeln!(f, "    line {line}: {event}")?;
                }
            }
        }
        Ok(())
    }
}
