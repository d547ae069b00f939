use std::time::Duration;

use bytes::Bytes;
use quorate_client::api::Reason;
use quorate_client::{Client, Error, JobFailure, RefusedKind};
use tokio::time::Instant;

use crate::event::Outcome;
use crate::limits;
use crate::pause::Pause;
use crate::shutdown::Shutdown;

/// What the cluster is to be told about a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    /// `None` for a success.
    pub(crate) failure: Option<(Reason, String)>,
    pub(crate) log: Bytes,
}

impl Report {
    pub(crate) fn success(log: Bytes) -> Report {
        Report { failure: None, log }
    }

    pub(crate) fn failure(reason: Reason, mut details: String, log: Bytes) -> Report {
        details.truncate(details.floor_char_boundary(limits::DETAILS_BYTES));
        Report { failure: Some((reason, details)), log }
    }

    /// Tells the cluster, again and again until it answers: the same outcome twice changes nothing.
    pub(crate) async fn send(
        mut self,
        client: &Client,
        job_id: &str,
        limit: Duration,
        shutdown: &Shutdown,
    ) -> Outcome {
        let deadline = Instant::now() + limit;
        let mut pause = Pause::new();
        loop {
            let sent = tokio::select! {
                biased;
                sent = self.send_once(client, job_id) => sent,
                () = last_moment(shutdown) => {
                    return Outcome::Unreported("the runner was stopped before the cluster answered".into());
                }
            };
            let error = match sent {
                Ok(()) => return self.outcome(),
                Err(error) => error,
            };
            match &error {
                Error::Refused(refused) => match refused.kind {
                    RefusedKind::Conflict | RefusedKind::NotFound => {
                        return Outcome::Dropped(refused.message.clone());
                    }
                    RefusedKind::TooLarge if !self.log.is_empty() => {
                        // Better the outcome without its log than neither.
                        tracing::warn!(job = job_id, "the log was left out: {error}");
                        self.log = Bytes::new();
                        continue;
                    }
                    RefusedKind::TooLarge | RefusedKind::Invalid | RefusedKind::Unauthorized => {
                        return Outcome::Unreported(error.to_string());
                    }
                },
                Error::Unavailable(_) | Error::Unreachable(_) | Error::Unknown(_) | Error::Protocol(_) => {}
                Error::Config(_) => return Outcome::Unreported(error.to_string()),
            }
            if Instant::now() > deadline || shutdown.is_stopping() {
                return Outcome::Unreported(error.to_string());
            }
            if pause.fails_first() {
                tracing::warn!(job = job_id, "the outcome could not be reported yet: {error}");
            }
            tokio::select! {
                () = pause.take() => {}
                () = shutdown.stopping() => {} // once more
            }
        }
    }

    async fn send_once(&self, client: &Client, job_id: &str) -> Result<(), Error> {
        match &self.failure {
            None => client.success(job_id, self.log.clone()).await?,
            Some((reason, details)) => {
                let failure = JobFailure { reason: *reason, details: details.clone(), log: self.log.clone() };
                client.fail(job_id, failure).await?
            }
        };
        Ok(())
    }

    fn outcome(self) -> Outcome {
        match self.failure {
            None => Outcome::Success,
            Some((reason, details)) => Outcome::Failed { reason, details },
        }
    }
}

/// When a report that is not answered yet is given up, since the runner was told to stop.
async fn last_moment(shutdown: &Shutdown) {
    shutdown.stopping().await;
    tokio::time::sleep(limits::LAST_REPORT).await;
}
