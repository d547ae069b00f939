use std::fmt;

/// Log time: milliseconds since the Unix epoch, as the leader stamped them. Never read from a clock here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The start of the epoch: what a table that has applied nothing has for its time.
    pub const ZERO: Timestamp = Timestamp(0);

    /// This time and `seconds` more, saturating.
    pub fn plus_seconds(self, seconds: u32) -> Timestamp {
        Timestamp(self.0.saturating_add(u64::from(seconds).saturating_mul(1_000)))
    }

    /// This time and `millis` milliseconds more, saturating.
    pub fn plus_millis(self, millis: u64) -> Timestamp {
        Timestamp(self.0.saturating_add(millis))
    }

    /// This time and `millis` milliseconds less, saturating at the epoch.
    pub fn minus_millis(self, millis: u64) -> Timestamp {
        Timestamp(self.0.saturating_sub(millis))
    }

    /// This time and `millis` milliseconds less; `None` where that is before the epoch.
    pub fn checked_minus_millis(self, millis: u64) -> Option<Timestamp> {
        self.0.checked_sub(millis).map(Timestamp)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}
