use super::at::{At, Span};
use super::{Came, Facts, came};
use crate::call::Call;

/// What answers tell of log time: at which entry it was what. Between these it is only bounded, since it never goes
/// back.
#[derive(Clone, Debug, Default)]
pub(crate) struct LogClock {
    /// By index; of each entry one.
    known: Vec<Tick>,
}

/// An entry whose time is known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tick {
    pub(crate) index: u64,
    /// Log time in milliseconds.
    pub(crate) time: u64,
}

/// The log time at which a request had its effect, as its answer gives it, with its entry and its number. An end whose answer
/// does not show the job has the time that others saw.
pub(crate) fn answered_times<'a>(facts: &'a Facts<'_>) -> impl Iterator<Item = (Tick, usize)> + 'a {
    facts.history.ops.iter().enumerate().filter_map(|(number, op)| {
        let index = facts.effects[number].exactly()?.index;
        let job = op.jobs.iter().find(|job| !job.duplicate);
        let time = match &op.call {
            Call::Enqueue { .. } | Call::Release { .. } => job.map(|job| job.created),
            // One that went on from it already was there before.
            Call::Retry { .. } => {
                job.filter(|job| came(facts, job) == Some(Came::ByHand)).map(|job| job.created)
            }
            Call::Consume { .. } => job.and_then(|job| job.started),
            Call::Success { id, .. } | Call::Fail { id, .. } | Call::Cancel { id } => match job {
                Some(job) => job.completed,
                None => facts.life(id).filter(|life| !facts.timed_out(life))?.completed(),
            },
            Call::Finish { .. }
            | Call::Touch { .. }
            | Call::Delete { .. }
            | Call::Set { .. }
            | Call::Operate { .. }
            | Call::Stop { .. }
            | Call::Watch { .. }
            | Call::Get { .. }
            | Call::List { .. } => None,
        }?;
        Some((Tick { index, time }, number))
    })
}

impl LogClock {
    pub(super) fn new(facts: &Facts<'_>) -> LogClock {
        let mut known: Vec<Tick> = answered_times(facts).map(|(tick, _)| tick).collect();
        known.sort_unstable_by_key(|tick| (tick.index, tick.time));
        known.dedup_by_key(|tick| tick.index);
        // Where time went back another rule says so; searching needs an order.
        for at in 1..known.len() {
            known[at].time = known[at].time.max(known[at - 1].time);
        }
        LogClock { known }
    }

    /// All that is known, by index and so by time.
    pub(crate) fn ticks(&self) -> &[Tick] {
        &self.known
    }

    /// The earliest and the latest that log time can have been at an entry.
    pub(crate) fn bounds(&self, index: u64) -> (u64, u64) {
        let after = self.known.partition_point(|tick| tick.index <= index);
        let from = after.checked_sub(1).map(|at| self.known[at]);
        let until = match from {
            Some(tick) if tick.index == index => from,
            Some(_) | None => self.known.get(after).copied(),
        };
        (from.map_or(0, |tick| tick.time), until.map_or(u64::MAX, |tick| tick.time))
    }

    /// Where something can have happened at exactly this time.
    pub(crate) fn when(&self, time: u64) -> Span {
        let after = self.known.partition_point(|tick| tick.time <= time);
        let last = self.known.get(after).map_or(At::END, |tick| At::end_of(tick.index.saturating_sub(1)));
        Span { first: self.not_before(time), last }
    }

    /// The first place where log time can have been `time` or more.
    pub(crate) fn not_before(&self, time: u64) -> At {
        let after = self.known.partition_point(|tick| tick.time < time);
        match after.checked_sub(1) {
            Some(at) => At::start_of(self.known[at].index + 1),
            None => At::START,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{At, LogClock, Tick};

    fn clock() -> LogClock {
        let known = [(3, 100), (5, 100), (9, 200)];
        LogClock { known: known.map(|(index, time)| Tick { index, time }).to_vec() }
    }

    #[test]
    fn time_is_bounded_by_the_entries_around() {
        let bounds = |index| clock().bounds(index);
        assert_eq!([bounds(1), bounds(3), bounds(4)], [(0, 100), (100, 100), (100, 100)]);
        assert_eq!([bounds(7), bounds(9), bounds(10)], [(100, 200), (200, 200), (200, u64::MAX)]);
    }

    #[test]
    fn a_time_is_somewhere_between_entries() {
        let when = |time| (clock().when(time).first, clock().when(time).last);
        assert_eq!(when(99), (At::START, At::end_of(2)));
        assert_eq!(when(100), (At::START, At::end_of(8)));
        assert_eq!(when(150), (At::start_of(6), At::end_of(8)));
        assert_eq!(when(201), (At::start_of(10), At::END));
    }
}
