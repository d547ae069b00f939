use std::time::Duration;

use quorate_client::api::{Job, Status};
use quorate_client::{Client, Error, RefusedKind};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

/// Why a job is no longer ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// It was cancelled, timed out or deleted; in the cluster's words.
    Over(String),
    /// No touch was answered for a whole timeout: the cluster may have given it up.
    Silence,
}

/// Keeps a job ours until the future is dropped; ends only when the job is lost.
pub(crate) async fn hold(client: &Client, job: &Job, poll: Duration) -> Loss {
    tokio::select! {
        loss = touch(client, job) => loss,
        loss = watch(client, job, poll) => loss,
    }
}

/// Touches the job whenever half of its timeout is over. The job counts as touched from when the touch was sent, since
/// the cluster can only have counted from later on.
async fn touch(client: &Client, job: &Job) -> Loss {
    let timeout = Duration::from_secs(job.timeout.into());
    let mut touched = Instant::now();
    let mut next = touched + timeout / 2;
    loop {
        sleep_until(next).await;
        let sent = Instant::now();
        match timeout_at(touched + timeout, client.touch(&job.id)).await {
            Ok(Ok(())) => {
                touched = sent;
                next = sent + timeout / 2;
            }
            Ok(Err(error)) => {
                if let Some(loss) = loss(&error) {
                    return loss;
                }
                tracing::warn!(job = job.id, "could not be touched: {error}");
                next = Instant::now() + timeout / 8;
            }
            Err(_elapsed) => return Loss::Silence,
        }
    }
}

/// Asks now and then whether the job was cancelled, since the next touch may be far away.
async fn watch(client: &Client, job: &Job, poll: Duration) -> Loss {
    loop {
        sleep(poll).await;
        match client.get(&job.id).await.map(|job| job.status) {
            // A node that is behind may not know yet that the job is running.
            Ok(Status::Delayed | Status::Queued | Status::Running) => {}
            Ok(Status::Cancelled) => return Loss::Over("the job was cancelled".into()),
            Ok(Status::Error) => {
                return Loss::Over("the job timed out, or somebody else reported its failure".into());
            }
            Ok(Status::Success) => return Loss::Over("somebody else reported the job's success".into()),
            Err(error) => {
                if let Some(loss) = loss(&error) {
                    return loss;
                }
            }
        }
    }
}

fn loss(error: &Error) -> Option<Loss> {
    let refused = error.refused()?;
    match refused.kind {
        RefusedKind::Conflict | RefusedKind::NotFound => Some(Loss::Over(refused.message.clone())),
        RefusedKind::Invalid | RefusedKind::Unauthorized | RefusedKind::TooLarge => None,
    }
}
