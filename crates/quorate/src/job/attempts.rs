use std::collections::VecDeque;

use quorate_client::api::Job;
use quorate_client::{Client, Error, RefusedKind};

use crate::limits::ATTEMPTS;

/// What a job is an attempt at, or was given back of.
#[derive(Default)]
pub(super) struct Attempts {
    /// The first one first; those that are still there.
    pub(super) jobs: Vec<Job>,
    /// The job that the first of them goes on from, where that is left out.
    pub(super) before: Option<String>,
    /// The job that goes on from the last of them, where that is left out.
    pub(super) after: Option<String>,
}

/// All that this job goes on from, itself, and what goes on from it. Only those that are still there, and so many on either side.
pub(super) async fn all(client: &Client, job: &Job) -> Result<Attempts, Error> {
    let mut jobs = VecDeque::from([job.clone()]);
    let (mut before, mut after) = (job.retry_of.clone(), job.retry_id.clone());
    while let Some(id) = before.take() {
        if jobs.len() > ATTEMPTS {
            before = Some(id);
            break;
        }
        if let Some(job) = find(client, &id).await? {
            before = job.retry_of.clone();
            jobs.push_front(job);
        }
    }
    let most = jobs.len() + ATTEMPTS;
    while let Some(id) = after.take() {
        if jobs.len() >= most {
            after = Some(id);
            break;
        }
        if let Some(job) = find(client, &id).await? {
            after = job.retry_id.clone();
            jobs.push_back(job);
        }
    }
    Ok(Attempts { jobs: jobs.into(), before, after })
}

/// A job without its payload, unless it has been deleted.
pub(crate) async fn find(client: &Client, id: &str) -> Result<Option<Job>, Error> {
    match client.get_without_payload(id).await {
        Ok(job) => Ok(Some(job)),
        Err(error) if error.refused().is_some_and(|refused| refused.kind == RefusedKind::NotFound) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
