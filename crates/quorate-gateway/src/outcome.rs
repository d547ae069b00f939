use std::time::Duration;

use quorate_core::{Job, JobId, Unavailable};
use tokio::time::{Instant, sleep_until};

use crate::error::Failure;
use crate::limits::LAST_LOOK;
use crate::looks::Looks;
use crate::{Backend, Gateway, Reads, patience};

/// Whose outcome is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// That of the job alone.
    Job,
    /// That of the last job that goes on from it.
    Chain,
}

/// Waits up to `wait` for an outcome, and answers whose it is: the job, or the last one of its chain as it is then. Whether that job
/// is there is for the caller to say.
///
/// # Errors
/// 429: too many wait. 503: no leader answered in time, or the table cannot be read.
pub(crate) async fn wait<B: Backend>(
    gateway: &Gateway<B>,
    mut id: JobId,
    wait: Duration,
    whose: Whose,
) -> Result<JobId, Failure> {
    gateway.takes_polls_of(wait)?;
    // A client that waits for its answer no longer than for the outcome gets one all the same.
    let until = Instant::now() + patience::within(wait + LAST_LOOK).saturating_sub(LAST_LOOK);
    let mut looks = Looks::new(gateway);
    let mut is_current = false;
    let mut waiting = None;
    loop {
        match last(gateway, id, whose).await? {
            Some(job) if job.status().is_final() => return Ok(job.id),
            Some(job) => id = job.id,
            None if is_current => return Ok(id),
            None => {
                gateway.barrier().await?;
                is_current = true;
                continue;
            }
        }
        if Instant::now() >= until || gateway.is_ending_waits() {
            return Ok(id);
        }
        if waiting.is_none() {
            waiting = Some(gateway.may_wait()?);
        }
        tokio::select! {
            () = looks.next(gateway) => {}
            () = sleep_until(until) => {}
            () = gateway.ends_waits() => {}
        }
    }
}

/// A job, or the last one of its chain, as this node has it.
///
/// # Errors
/// The table cannot be read.
pub(crate) async fn last<B: Backend>(
    gateway: &Gateway<B>,
    id: JobId,
    whose: Whose,
) -> Result<Option<Job>, Unavailable> {
    let reads = gateway.backend().reads();
    let Some(mut job) = reads.job(id).await? else { return Ok(None) };
    while whose == Whose::Chain
        && let Some(next) = job.retry_id
        && let Some(next) = reads.job(next).await?
    {
        job = next;
    }
    Ok(Some(job))
}
