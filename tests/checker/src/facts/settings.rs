use super::{At, Facts, Span};
use crate::call::Call;
use crate::event::Outcome;
use crate::highest::Highest;
use crate::map::Map;
use crate::queue::QueueLimits;

/// What limits a queue, at any place of the log.
pub(crate) struct Settings {
    /// The first one holds from the start.
    changes: Vec<Change>,
}

struct Change {
    /// Where it was made.
    at: Span,
    /// False where nobody knows whether it was.
    certain: bool,
    limits: QueueLimits,
}

impl Settings {
    /// Of a queue that nobody changes.
    pub(super) fn unchanged(limits: QueueLimits) -> Settings {
        let at = Span::exactly(At::START);
        Settings { changes: vec![Change { at, certain: true, limits }] }
    }

    /// What limits it for certain, wherever in this span.
    pub(crate) fn loosest(&self, during: Span) -> QueueLimits {
        self.during(during).reduce(QueueLimits::looser).unwrap_or_default()
    }

    /// What may limit it somewhere in this span.
    pub(crate) fn tightest(&self, during: Span) -> QueueLimits {
        self.during(during).reduce(QueueLimits::tighter).unwrap_or_default()
    }

    /// All that may hold somewhere in a span: what was set before its end, and not certainly replaced before its beginning.
    fn during(&self, span: Span) -> impl Iterator<Item = QueueLimits> {
        let replaced = self.changes.iter().filter(|change| change.certain && change.at.last < span.first);
        let since = replaced.map(|change| change.at.first).max().unwrap_or(At::START);
        let may_hold = move |change: &&Change| change.at.first <= span.last && change.at.last >= since;
        self.changes.iter().filter(may_hold).map(|change| change.limits)
    }
}

/// Those of all queues that the first line or a request names.
pub(super) fn settings<'h>(facts: &Facts<'h>) -> Map<&'h str, Settings> {
    let run = &facts.history.run;
    let mut all: Map<&str, Settings> =
        run.queues.iter().map(|(name, limits)| (&**name, Settings::unchanged(*limits))).collect();
    let answered: Highest<u64, At> = facts.writes().map(|(at, op)| (facts.op(op).returned, at)).collect();
    for (number, op) in facts.history.ops.iter().enumerate() {
        let Call::Set { queue, limits } = &op.call else { continue };
        let at = match (facts.effects[number].exactly(), op.outcome) {
            (Some(at), _) => Span::exactly(at),
            (None, Outcome::Fail) => continue,
            (None, Outcome::Ok | Outcome::Info) => Span {
                first: answered.below(op.invoke).unwrap_or(At::START),
                last: facts.clock.when(time_by(facts, op.returned).saturating_add(run.write_ms)).last,
            },
        };
        let certain = op.outcome == Outcome::Ok;
        let settings = all.entry(queue).or_insert_with(|| Settings::unchanged(QueueLimits::default()));
        settings.changes.push(Change { at, certain, limits: *limits });
    }
    all
}

/// The latest that log time can have been at a moment of the harness's clock.
fn time_by(facts: &Facts<'_>, moment: u64) -> u64 {
    let later = facts.writes().filter(|(_, op)| facts.op(*op).invoke >= moment);
    later.map(|(at, _)| facts.clock.bounds(at.index).1).min().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn most(max_running: u32) -> QueueLimits {
        QueueLimits { max_running: Some(max_running), ..QueueLimits::default() }
    }

    fn span(first: u64, last: u64) -> Span {
        Span { first: At::start_of(first), last: At::end_of(last) }
    }

    #[test]
    fn what_may_have_been_set_may_hold_until_something_else_certainly_does() {
        let mut settings = Settings::unchanged(most(1));
        settings.changes.push(Change { at: span(10, 20), certain: false, limits: most(5) });
        settings.changes.push(Change { at: Span::exactly(At::start_of(30)), certain: true, limits: most(3) });
        let limits = |first, last| {
            let span = span(first, last);
            [settings.tightest(span), settings.loosest(span)].map(|limits| limits.max_running.unwrap())
        };
        assert_eq!(limits(5, 9), [1, 1]);
        assert_eq!(limits(15, 15), [1, 5]);
        assert_eq!(limits(25, 25), [1, 5]);
        assert_eq!(limits(25, 40), [1, 5]);
        assert_eq!(limits(31, 40), [3, 3]);
    }
}
