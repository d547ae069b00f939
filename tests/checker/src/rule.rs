use crate::facts::Facts;

/// A property of the queue that a history must have.
pub(crate) struct Rule {
    /// Its name, as reports and tests call it.
    pub(crate) name: &'static str,
    /// What it means, in one line.
    pub(crate) means: &'static str,
    /// Looks for what breaks it.
    pub(crate) check: fn(&Facts<'_>, &mut Findings),
}

/// What a rule found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Findings {
    /// How many requests, jobs or nodes it had something to say about.
    pub(crate) checked: usize,
    /// How many it left out because the history does not tell enough.
    pub(crate) unclear: usize,
    /// The first of the violations.
    pub(crate) violations: Vec<Violation>,
    /// How many there are in all.
    pub(crate) broken: usize,
}

/// A place where a history breaks a rule.
#[derive(Clone, Debug)]
pub(crate) struct Violation {
    /// What is wrong.
    pub(crate) what: String,
    /// The lines that show it.
    pub(crate) lines: Vec<usize>,
}

/// Violations of one rule that are shown; the others are counted.
const SHOWN: usize = 5;

impl Findings {
    /// Counts a check, and a violation where it does not hold. `show` says what is wrong, and on which lines.
    pub(crate) fn require<L>(&mut self, holds: bool, show: impl FnOnce() -> (String, L))
    where
        L: IntoIterator<Item = usize>,
    {
        self.checked += 1;
        if holds {
            return;
        }
        self.broken += 1;
        if self.violations.len() < SHOWN {
            let (what, lines) = show();
            let mut lines: Vec<usize> = lines.into_iter().collect();
            lines.sort_unstable();
            lines.dedup();
            self.violations.push(Violation { what, lines });
        }
    }
}
