use std::time::Duration;

use tokio::time::Instant;

use crate::limits::{PACE, PACE_SLACK};

/// When a client that sends counts as slow: after [`PACE_SLACK`] in which it has sent less than [`PACE`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    due: Instant,
}

impl Pace {
    pub(crate) fn start() -> Pace {
        Pace { due: Instant::now() + PACE_SLACK }
    }

    /// From when on it is slow, if nothing comes until then.
    pub(crate) fn due(self) -> Instant {
        self.due
    }

    /// So many bytes came. What came early is no credit for later.
    pub(crate) fn came(&mut self, bytes: usize) {
        let worth = Duration::from_secs_f64(bytes as f64 / PACE as f64);
        self.due = (self.due + worth).min(Instant::now() + PACE_SLACK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_pace_forgives_no_stall_for_an_early_burst() {
        let mut pace = Pace::start();
        pace.came(1 << 30);
        assert_eq!(pace.due(), Instant::now() + PACE_SLACK);
        tokio::time::advance(PACE_SLACK).await;
        pace.came(1);
        assert!(pace.due() < Instant::now() + Duration::from_millis(1), "a byte a second is slow");
        pace.came(PACE);
        assert!(pace.due() > Instant::now());
    }
}
