use anyhow::ensure;
use quorate_client::Client;
use quorate_client::api::Job;

/// Gives back all that a worker holds. The new jobs are added to `given_back`, also where that ends early.
///
/// # Errors
/// No node answered, or the cluster refused; or the worker takes as much as is given back.
pub(super) async fn give_back(
    client: &Client,
    worker: &str,
    given_back: &mut Vec<Job>,
) -> anyhow::Result<()> {
    let mut held = u64::MAX;
    loop {
        let answer = client.worker_gone(worker).await?;
        given_back.extend(answer.jobs);
        let left = answer.left;
        if left == 0 {
            return Ok(());
        }
        // Each time is one of the few that a job may be given back.
        ensure!(left < held, "the worker {worker} is still there: it takes jobs while they are given back");
        held = left;
    }
}
