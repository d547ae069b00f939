use std::sync::Arc;
use std::time::Duration;

use quorate_check::{Call, Op};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::time::sleep;

use crate::client::is_answered;
use crate::limits;
use crate::rest::Rest;
use crate::shared::{Phase, Shared};

/// Sends requests for a client that goes its own way, one at a time.
pub(crate) struct Asker {
    pub(crate) number: u32,
    pub(crate) rng: StdRng,
    pub(crate) shared: Arc<Shared>,
    rest: Rest,
    sent: u64,
}

impl Asker {
    pub(crate) fn new(number: u32, seed: u64, rest: Rest, shared: Arc<Shared>) -> Asker {
        let rng = StdRng::seed_from_u64(seed ^ (u64::from(number) << 32));
        Asker { number, rng, shared, rest, sent: 0 }
    }

    /// A tag, or a key, that was never used before.
    pub(crate) fn new_tag(&mut self) -> String {
        self.sent += 1;
        format!("c{}-{}", self.number, self.sent)
    }

    /// Sends a request until the cluster has decided, where that is safe; through another node after each failure.
    ///
    /// # Errors
    /// An answer is not of this API, or the history cannot be written.
    pub(crate) async fn ask(&mut self, call: Call, key: Option<Box<str>>) -> anyhow::Result<Op> {
        use Call::{Delete, Release, Set, Success};
        let repeats =
            key.is_some() || matches!(call, Success { .. } | Delete { .. } | Release { .. } | Set { .. });
        loop {
            let count = self.shared.nodes.len();
            let node = self.rng.random_range(0..count);
            let node = (0..count).map(|step| (node + step) % count).find(|node| self.shared.is_open(*node));
            let Some(node) = node else {
                sleep(limits::POLL).await;
                continue;
            };
            let node = &self.shared.nodes[node];
            let op = self.rest.attempt(self.number, node, call.clone(), key.clone(), None).await?;
            self.shared.recorder.op(&op)?;
            if is_answered(&op) || !repeats || self.shared.phase() == Phase::Stop {
                return Ok(op);
            }
            sleep(Duration::from_millis(self.rng.random_range(20..80))).await;
        }
    }
}
