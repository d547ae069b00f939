use std::fmt;

use crate::log_index::LogIndex;

/// A point of the log: finer than a command, since one command enqueues or grants many jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct At {
    /// The log entry.
    pub(crate) index: u64,
    /// 0 for what the entry's time makes due, which happens first; its commands follow from 1 on.
    slot: u32,
    /// The job's place in the command's answer, behind those that the command has ended.
    place: usize,
}

impl At {
    /// Before everything.
    pub(crate) const START: At = At { index: 0, slot: 0, place: 0 };
    /// After everything.
    pub(crate) const END: At = At { index: u64::MAX, slot: u32::MAX, place: usize::MAX };

    /// A command.
    pub(crate) fn command(at: LogIndex) -> At {
        At { index: at.index, slot: at.offset.map_or(0, |offset| offset.saturating_add(1)), place: 0 }
    }

    /// The first point of an entry.
    pub(crate) fn start_of(index: u64) -> At {
        At { index, ..At::START }
    }

    /// The last point of an entry.
    pub(crate) fn end_of(index: u64) -> At {
        At { index, ..At::END }
    }

    /// The same command, so many effects later: for the job in this place of its answer.
    pub(crate) fn nth(self, place: usize) -> At {
        At { place: self.place.saturating_add(place), ..self }
    }

    /// True where both are of one command.
    pub(crate) fn is_same_command(self, other: At) -> bool {
        (self.index, self.slot) == (other.index, other.slot)
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.slot.checked_sub(1) {
            _ if *self == At::END => f.write_str("the end"),
            Some(offset) => write!(f, "{}.{offset}", self.index),
            None => write!(f, "{}", self.index),
        }
    }
}

/// What is known of where something happened: from `first` to `last`, both possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) first: At,
    pub(crate) last: At,
}

impl Span {
    /// Anywhere.
    pub(crate) const UNKNOWN: Span = Span { first: At::START, last: At::END };
    /// Never.
    pub(crate) const NEVER: Span = Span { first: At::END, last: At::END };

    /// Known exactly.
    pub(crate) fn exactly(at: At) -> Span {
        Span { first: at, last: at }
    }

    /// Known from both.
    pub(crate) fn and(self, other: Span) -> Span {
        Span { first: self.first.max(other.first), last: self.last.min(other.last) }
    }
}
