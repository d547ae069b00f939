use std::collections::HashSet;

use anyhow::ensure;
use quorate_client::Client;
use quorate_client::api::Job;
use quorate_core::limits::JOBS_PER_REQUEST;

/// Gives back all that a worker holds. The new jobs are added to `given_back`, also where that ends early.
///
/// # Errors
/// No node answered, or the cluster refused; or the worker takes what was given back.
pub(super) async fn give_back(
    client: &Client,
    worker: &str,
    given_back: &mut Vec<Job>,
) -> anyhow::Result<()> {
    let mut ids = HashSet::new();
    loop {
        let jobs = client.worker_gone(worker).await?;
        // It may hold more than one answer has. A worker that is still there, and takes others, loses no more than it had.
        let is_last = jobs.len() < FULL;
        ids.extend(jobs.iter().map(|job| job.id.clone()));
        let again = jobs.iter().any(|job| job.retry_of.as_ref().is_some_and(|of| ids.contains(of)));
        given_back.extend(jobs);
        // Each time is one of the few that a job may be given back.
        ensure!(!again, "the worker {worker} is still there: it takes again what is given back");
        if is_last {
            return Ok(());
        }
    }
}

/// An answer has thousands where there are more. Some of each may have ended instead: they had been given back too often.
const FULL: usize = JOBS_PER_REQUEST / 2;
