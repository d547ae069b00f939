use std::time::Duration;

use quorate_core::{Command, IdempotencyKey, Job, Reply, Take, Unavailable};
use tokio::time::Instant;

use crate::error::{ApiError, Failure};
use crate::limits::LAST_LOOK;
use crate::response::Index;
use crate::{Backend, Gateway, Look, Reads, Wakeups, patience};

/// Takes jobs; where there is none to take, waits for one up to `wait`. No jobs is an answer.
///
/// A poll that finds nothing appends nothing to the log: this node's own table says so, once a barrier has made sure
/// that it is no stale copy. Only an Idempotency-Key that is known then, or is spent while this waits, goes to the
/// log all the same: it stands for jobs already taken, and its answer is final, even where none of them runs any more.
/// Who looks and gets nothing all the same, since another consumer or a limit was faster, waits for its next turn.
///
/// Dropped while it waits (the client is gone), it has submitted nothing and takes no job. Whoever is woken, and then ends
/// without a job in whatever way, leaves it to the next one: see [`Wakeups::queued_turn`].
pub(crate) async fn consume<B: Backend>(
    gateway: &Gateway<B>,
    take: &Take,
    wait: Duration,
    key: Option<IdempotencyKey>,
) -> Result<(Vec<Job>, Index), Failure> {
    let backend = gateway.backend();
    // A client that waits for its answer no longer than for a job gets one all the same.
    let until = Instant::now() + patience::within(wait + LAST_LOOK).saturating_sub(LAST_LOOK);
    let mut must_ask_log = false;
    let mut is_current = false;
    let mut waiting = None;
    let mut turn = None; // ends with the look, whatever becomes of it
    loop {
        let Look { found, applied } = backend.wakeups().look(take);
        let mut found_nothing_at = Index::Applied(applied);
        if found || must_ask_log {
            let consume = Command::Consume { take: take.clone(), key: key.clone() };
            let (index, reply) = gateway.submit(consume).await?;
            let Reply::Jobs(jobs) = reply else {
                return Err(ApiError::unexpected_reply("consume").into());
            };
            if !jobs.is_empty() || matches!(index, Index::Replayed(_)) {
                return Ok((jobs, index));
            }
            must_ask_log = false;
            is_current = true;
            found_nothing_at = index;
        } else if !is_current {
            gateway.barrier().await?;
            is_current = true;
            if let Some(key) = &key {
                must_ask_log = backend.reads().knows_key(&key.key).await?;
            }
            continue;
        }
        if Instant::now() >= until || gateway.is_ending_waits() {
            return Ok((Vec::new(), found_nothing_at));
        }

        if waiting.is_none() {
            waiting = Some(gateway.may_wait()?);
        }
        drop(turn.take());
        turn = tokio::select! {
            biased;
            turn = backend.wakeups().queued_turn(take) => Some(turn),
            spent = key_spent(backend, key.as_ref()) => {
                spent?;
                must_ask_log = true;
                continue;
            }
            () = tokio::time::sleep_until(until) => None,
            () = gateway.ends_waits() => None,
        };
        if turn.is_none() {
            // Elsewhere another request under the same key may have taken jobs that are not known here yet.
            is_current = key.is_none();
        }
    }
}

/// Ends once another request under this key was answered: the one that this repeats. Never without a key.
async fn key_spent<B: Backend>(backend: &B, key: Option<&IdempotencyKey>) -> Result<(), Unavailable> {
    match key {
        Some(key) => backend.wakeups().key_spent(&key.key).await,
        None => std::future::pending().await,
    }
}
