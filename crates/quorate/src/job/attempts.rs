use std::collections::VecDeque;

use quorate_client::api::Job;
use quorate_client::{Client, Error, RefusedKind};

use crate::limits::ATTEMPTS;

/// All attempts at what this job is an attempt at, the first one first: what it retries, itself, and what retries it. Only
/// those that are still there, and so many on either side.
pub(super) async fn all(client: &Client, job: &Job) -> Result<Vec<Job>, Error> {
    let mut attempts = VecDeque::from([job.clone()]);
    while let Some(before) = attempts.front().and_then(|first| first.retry_of.clone())
        && attempts.len() <= ATTEMPTS
        && let Some(before) = find(client, &before).await?
    {
        attempts.push_front(before);
    }
    let most = attempts.len() + ATTEMPTS;
    while let Some(next) = attempts.back().and_then(|last| last.retry_id.clone())
        && attempts.len() < most
        && let Some(next) = find(client, &next).await?
    {
        attempts.push_back(next);
    }
    Ok(attempts.into())
}

/// A job without its payload, unless it has been deleted.
pub(super) async fn find(client: &Client, id: &str) -> Result<Option<Job>, Error> {
    match client.get_without_payload(id).await {
        Ok(job) => Ok(Some(job)),
        Err(error) if error.refused().is_some_and(|refused| refused.kind == RefusedKind::NotFound) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
