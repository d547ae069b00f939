use std::time::Duration;

use quorate_core::Timestamp;

use super::known::part;
use super::walls::millis;
use crate::limits;

/// The first word of a term's leader on log time: where that can be since. No later word of that leader moves it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Anchor {
    pub(super) term: u64,
    /// Milliseconds since the epoch,
    time: u64,
    /// at this uptime of the machine,
    at: Duration,
    /// when this was the latest of the members' wall clocks, if those of a majority were seen.
    wall_ms: Option<u64>,
}

impl Anchor {
    /// The one after this word. One that came late is no earlier than what was heard before; and the clocks may be seen only later.
    pub(super) fn after(
        before: Option<Anchor>,
        term: u64,
        time: Timestamp,
        at: Duration,
        wall_ms: Option<u64>,
    ) -> Anchor {
        let gone_on = before.map_or(0, |before| before.gone_on(at, None));
        match before {
            Some(before) if before.term >= term && before.wall_ms.or(wall_ms) == before.wall_ms => before,
            Some(before) if before.term >= term => Anchor { time: gone_on, at, wall_ms, ..before },
            _ => Anchor { term, time: time.0.max(gone_on), at, wall_ms },
        }
    }

    /// The latest that log time can be by now.
    pub(super) fn reach(&self, uptime: Duration, median: Option<u64>) -> Timestamp {
        Timestamp(self.gone_on(uptime, median)).plus_millis(millis(limits::WORD_AHEAD))
    }

    /// As long as this machine was up since, and what clocks differ and log time is slewed by; or, where the machine was stopped and
    /// does not know, as far as the members' clocks have gone.
    fn gone_on(&self, uptime: Duration, median: Option<u64>) -> u64 {
        let passed = uptime.saturating_sub(self.at);
        let passed = millis(passed.saturating_add(part(passed, limits::HEARD_LAG_PPM)));
        let seen = median.zip(self.wall_ms).map_or(0, |(median, then)| median.saturating_sub(then));
        self.time.saturating_add(passed.max(seen))
    }
}
