use std::time::Duration;

use quorate_core::Timestamp;

use super::walls::millis;
use super::{Knowledge, Memory};
use crate::limits;

/// Log time as one node knows it, and how it goes on from there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// The term of the leader that made it.
    pub(super) term: u64,
    /// It was this time, since the epoch,
    time: Duration,
    /// at this uptime of the machine.
    at: Duration,
    pace: Pace,
}

#[derive(Clone, Copy, Debug)]
enum Pace {
    /// It is made here: as the machine's clock goes, and with so many nanoseconds to be made up for, little by little.
    Made { owed: i64 },
    /// It was made elsewhere. Since then it may have been slewed back, and clocks differ: so it goes on a little slower
    /// here, and is never ahead of what it is there.
    Heard,
    /// It is from before a machine was started again: nobody knows how long ago that was.
    Stopped,
}

impl Known {
    pub(super) fn made(term: u64, time: Timestamp, at: Duration) -> Known {
        Known { term, time: Duration::from_millis(time.0), at, pace: Pace::Made { owed: 0 } }
    }

    pub(super) fn heard(term: u64, time: Timestamp, at: Duration) -> Known {
        Known { term, time: Duration::from_millis(time.0), at, pace: Pace::Heard }
    }

    pub(super) fn stopped(term: u64, time: Timestamp) -> Known {
        Known { term, time: Duration::from_millis(time.0), at: Duration::ZERO, pace: Pace::Stopped }
    }

    pub(super) fn goes_on(&self) -> bool {
        match self.pace {
            Pace::Made { .. } | Pace::Heard => true,
            Pace::Stopped => false,
        }
    }

    /// True where this node makes it.
    pub(super) fn is_made(&self) -> bool {
        matches!(self.pace, Pace::Made { .. })
    }

    /// True where this node makes it, as the leader of this term.
    pub(super) fn is_made_in(&self, term: u64) -> bool {
        self.is_made() && self.term == term
    }

    /// True where the leader of `term` said this so long ago that more is known: it lay in a buffer while this process was
    /// stopped. A little less than what is known is no old word: the clock here is fast then, and the leader's counts.
    pub(super) fn makes_old(&self, term: u64, time: Timestamp, uptime: Duration) -> bool {
        let behind = Duration::from_millis(self.now(uptime).0.saturating_sub(time.0));
        self.term == term && self.goes_on() && behind > limits::OLD_WORD
    }

    /// Log time at this uptime. Never goes back.
    pub(super) fn now(&self, uptime: Duration) -> Timestamp {
        Timestamp(millis(self.exactly(uptime)))
    }

    pub(super) fn knowledge(&self, uptime: Duration) -> Knowledge {
        Knowledge { term: self.term, goes_on: self.goes_on(), time: self.now(uptime) }
    }

    /// When it was certain last, on this boot.
    pub(super) fn memory(&self, uptime: Duration) -> Option<Memory> {
        let term = self.term;
        match self.pace {
            Pace::Made { .. } => Some(Memory { term, time: self.now(uptime), uptime }),
            Pace::Heard => Some(Memory { term, time: Timestamp(millis(self.time)), uptime: self.at }),
            Pace::Stopped => None,
        }
    }

    /// From now on it is slewed by that much in all, and by no more than [`limits::SLEW_PPM`] of the time that passes.
    /// What was left of an earlier slew is forgotten.
    pub(super) fn slew(&mut self, by_ms: i64, uptime: Duration) {
        self.time = self.exactly(uptime);
        self.at = uptime;
        self.pace = Pace::Made { owed: by_ms.saturating_mul(1_000_000) };
    }

    fn exactly(&self, uptime: Duration) -> Duration {
        let passed = uptime.saturating_sub(self.at);
        let on_time = self.time.saturating_add(passed);
        match self.pace {
            Pace::Stopped => self.time,
            Pace::Heard => on_time.saturating_sub(part(passed, limits::HEARD_LAG_PPM)),
            Pace::Made { owed } => {
                let paid = Duration::from_nanos(owed.unsigned_abs()).min(part(passed, limits::SLEW_PPM));
                if owed < 0 { on_time.saturating_sub(paid) } else { on_time.saturating_add(paid) }
            }
        }
    }
}

/// So many millionths of a duration.
pub(super) fn part(of: Duration, ppm: u32) -> Duration {
    let nanos = of.as_nanos() * u128::from(ppm) / 1_000_000;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}
