use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use quorate_check::{Call, Op, Outcome};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::time::sleep;

use crate::client::is_answered;
use crate::convert::{LARGE_TAG, payload};
use crate::draw::{new_job, success};
use crate::limits;
use crate::rest::Rest;
use crate::shared::{Phase, Shared};

/// Client numbers from here on are those of clients with large jobs.
pub(crate) const FIRST_BULK: u32 = 500;

/// A client with large jobs, one at a time: it enqueues one, takes one, ends it and deletes it. So there is never much in
/// the queue, but much passes through it.
pub(crate) struct BulkClient {
    number: u32,
    rng: StdRng,
    rest: Rest,
    shared: Arc<Shared>,
    sent: u64,
}

impl BulkClient {
    pub(crate) fn new(number: u32, seed: u64, rest: Rest, shared: Arc<Shared>) -> BulkClient {
        let rng = StdRng::seed_from_u64(seed ^ (u64::from(number) << 32));
        BulkClient { number, rng, rest, shared, sent: 0 }
    }

    /// # Errors
    /// An answer is not of this API, or the history cannot be written.
    pub(crate) async fn run(mut self) -> anyhow::Result<()> {
        while !matches!(self.shared.phase(), Phase::Drain | Phase::Stop) {
            self.sent += 1;
            let tag = format!("{LARGE_TAG}{}-{}", self.number, self.sent);
            let bytes = payload(&tag).len() as u64;
            let enqueued = self.ask(Call::Enqueue { jobs: vec![new_job(&tag)] }, Some(tag.into())).await?;
            if enqueued.outcome == Outcome::Ok {
                self.shared.bulk.fetch_add(bytes, Ordering::Relaxed);
            }
            let taken = self.ask(Call::Consume { n: 2, wait: 1, queue: Vec::new() }, None).await?;
            for job in taken.jobs {
                // Until somebody has decided: who holds what is large lets go of it.
                self.ask(success(job.id.clone()), None).await?;
                self.ask(Call::Delete { id: job.id }, None).await?;
            }
        }
        Ok(())
    }

    /// Sends a request until the cluster has decided, where that is safe; through another node after each failure.
    async fn ask(&mut self, call: Call, key: Option<Box<str>>) -> anyhow::Result<Op> {
        let repeats = key.is_some() || matches!(call, Call::Success { .. } | Call::Delete { .. });
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
