use std::sync::Arc;
use std::sync::atomic::Ordering;

use quorate_check::{Call, Outcome};

use crate::asker::Asker;
use crate::convert::{LARGE_TAG, payload};
use crate::draw::{new_job, success};
use crate::rest::Rest;
use crate::shared::{Phase, Shared};

/// Client numbers from here on are those of clients with large jobs.
pub(crate) const FIRST_BULK: u32 = 500;

/// A client with large jobs, one at a time: it enqueues one, takes one, ends it and deletes it. So there is never much in
/// the queue, but much passes through it.
pub(crate) struct BulkClient(Asker);

impl BulkClient {
    pub(crate) fn new(number: u32, seed: u64, rest: Rest, shared: Arc<Shared>) -> BulkClient {
        BulkClient(Asker::new(number, seed, rest, shared))
    }

    /// # Errors
    /// An answer is not of this API, or the history cannot be written.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let BulkClient(mut asker) = self;
        while !matches!(asker.shared.phase(), Phase::Drain | Phase::Stop) {
            let tag = format!("{LARGE_TAG}{}", asker.new_tag());
            let bytes = payload(&tag).len() as u64;
            let enqueued = asker.ask(Call::Enqueue { jobs: vec![new_job(&tag)] }, Some(tag.into())).await?;
            if enqueued.outcome == Outcome::Ok {
                asker.shared.bulk.fetch_add(bytes, Ordering::Relaxed);
            }
            let taken = asker.ask(Call::Consume { n: 2, wait: 1, queue: Vec::new() }, None).await?;
            for job in taken.jobs {
                // Until somebody has decided: who holds what is large lets go of it.
                asker.ask(success(job.id.clone()), None).await?;
                asker.ask(Call::Delete { id: job.id }, None).await?;
            }
        }
        Ok(())
    }
}
