use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::limits::{LOOK_LONGEST, LOOK_SHORTEST};
use crate::{Backend, Gateway, Reads};

/// When whoever waits for a change of this node's own copy looks again: only once something was applied, and the more seldom, the
/// longer nothing has come of it.
pub(crate) struct Looks {
    /// What the last look saw, at least.
    applied: u64,
    since: Instant,
}

impl Looks {
    /// The first look comes after this.
    pub(crate) fn new<B: Backend>(gateway: &Gateway<B>) -> Looks {
        Looks { applied: gateway.backend().reads().applied_index(), since: Instant::now() }
    }

    /// The last look found what it was for.
    pub(crate) fn found(&mut self) {
        self.since = Instant::now();
    }

    /// Ends when there may be something new to see.
    pub(crate) async fn next<B: Backend>(&mut self, gateway: &Gateway<B>) {
        loop {
            sleep(self.pause()).await;
            let applied = gateway.backend().reads().applied_index();
            if applied > self.applied {
                self.applied = applied;
                return;
            }
        }
    }

    fn pause(&self) -> Duration {
        (self.since.elapsed() / 8).clamp(LOOK_SHORTEST, LOOK_LONGEST)
    }
}
