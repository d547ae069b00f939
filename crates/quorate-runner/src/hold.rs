use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use quorate_client::api::{Job, Status};
use quorate_client::{Client, Error, RefusedKind};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

/// A job that this runner has, from its grant until its outcome is reported: whatever is done with it is done under one of
/// these, which touches it all the while.
pub(crate) struct Held<'a> {
    client: &'a Client,
    job: &'a Job,
    poll: Duration,
    lost: BoxFuture<'a, Loss>,
    over: Option<String>,
}

/// A job as this runner got it.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) job: Job,
    /// When the answer was here that had it.
    pub(crate) at: Instant,
    pub(crate) granted: Granted,
}

impl Taken {
    /// Those of an answer that is here now.
    pub(crate) fn all(jobs: Vec<Job>, replayed: bool) -> impl Iterator<Item = Taken> {
        let at = Instant::now();
        let granted = if replayed { Granted::Before } else { Granted::Now };
        jobs.into_iter().map(move |job| Taken { job, at, granted })
    }
}

/// When a job was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Granted {
    Now,
    /// To a request whose answer was lost: nobody knows how much of its timeout is left.
    Before,
}

/// Why a job may no longer be ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// It was cancelled, timed out or deleted; in the cluster's words.
    Over(String),
    /// No touch was answered for a whole timeout: the cluster may have given it up, or may yet hear of us.
    Silence,
}

impl<'a> Held<'a> {
    /// Holds a job, and asks every `poll` whether it was called off.
    pub(crate) fn new(client: &'a Client, job: &'a Job, granted: Granted, poll: Duration) -> Held<'a> {
        let lost = hold(client, job, granted, poll).boxed();
        Held { client, job, poll, lost, over: None }
    }

    /// Waits until the job may no longer be ours. If it is over, it is not touched any more.
    pub(crate) async fn lost(&mut self) -> Loss {
        if let Some(why) = &self.over {
            return Loss::Over(why.clone());
        }
        let loss = (&mut self.lost).await;
        match &loss {
            Loss::Over(why) => self.over = Some(why.clone()),
            Loss::Silence => {
                self.lost = hold(self.client, self.job, Granted::Before, self.poll).boxed();
            }
        }
        loss
    }

    /// Holds the job while something is done that goes on to its end, whatever becomes of the job.
    pub(crate) async fn during<T>(&mut self, done: impl Future<Output = T>) -> T {
        let mut done = std::pin::pin!(done);
        loop {
            tokio::select! {
                biased;
                done = &mut done => return done,
                _ = self.lost(), if self.over.is_none() => {}
            }
        }
    }

    /// In the cluster's words, if it has said that the job is no longer ours.
    pub(crate) fn over(&self) -> Option<&str> {
        self.over.as_deref()
    }
}

/// Ends only when the job may be lost.
async fn hold(client: &Client, job: &Job, granted: Granted, poll: Duration) -> Loss {
    tokio::select! {
        loss = touch(client, job, granted) => loss,
        loss = watch(client, job, poll) => loss,
    }
}

/// Touches the job whenever half of its timeout is over. The job counts as touched from when the touch was sent, since
/// the cluster can only have counted from later on.
async fn touch(client: &Client, job: &Job, granted: Granted) -> Loss {
    let timeout = Duration::from_secs(job.timeout.into());
    let client = client.within(timeout / 2);
    let mut touched = Instant::now();
    let mut next = match granted {
        Granted::Now => touched + timeout / 2,
        Granted::Before => touched,
    };
    loop {
        sleep_until(next.min(touched + timeout)).await;
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
        match client.get_without_payload(&job.id).await.map(|job| job.status) {
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
