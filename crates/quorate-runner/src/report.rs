use std::time::Duration;

use bytes::Bytes;
use quorate_client::api::Reason;
use quorate_client::{Client, Consume, Error, JobFailure, Keyed, RefusedKind};
use tokio::time::Instant;

use crate::event::Outcome;
use crate::hold::Taken;
use crate::limits;
use crate::pause::Pause;
use crate::shutdown::Shutdown;
use crate::starts::Starts;

/// What the cluster is to be told about a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    /// `None` for a success.
    pub(crate) failure: Option<(Reason, String)>,
    pub(crate) log: Bytes,
}

/// What it takes to tell it.
pub(crate) struct Reporting<'a> {
    pub(crate) client: &'a Client,
    pub(crate) job_id: &'a str,
    /// For how long it is tried.
    pub(crate) limit: Duration,
    /// The next job to take, if there is one now.
    pub(crate) one: &'a Consume,
    pub(crate) starts: &'a Starts,
    pub(crate) shutdown: &'a Shutdown,
}

impl Report {
    pub(crate) fn success(log: Bytes) -> Report {
        Report { failure: None, log }
    }

    pub(crate) fn failure(reason: Reason, mut details: String, log: Bytes) -> Report {
        details.truncate(details.floor_char_boundary(limits::DETAILS_BYTES));
        Report { failure: Some((reason, details)), log }
    }

    /// Tells the cluster, and takes the next job with the same request if this runner is to have one.
    pub(crate) async fn send(mut self, reporting: &Reporting<'_>) -> (Outcome, Option<Taken>) {
        match self.repeat(reporting).await {
            Ok(next) => (self.outcome(), next),
            Err(outcome) => (outcome, None),
        }
    }

    /// Again and again until the cluster answers: the same outcome twice changes nothing. The error is what else becomes of it.
    ///
    /// As long as a job may have been taken for an answer that was lost, it goes on under the same key, also where a shutdown comes
    /// in between: some answer tells us of it.
    async fn repeat(&mut self, reporting: &Reporting<'_>) -> Result<Option<Taken>, Outcome> {
        let Reporting { client, job_id, limit, one, starts, shutdown } = *reporting;
        let deadline = Instant::now() + limit;
        let mut pause = Pause::new();
        let mut take = None;
        let (mut may_have_taken, mut may_take) = (false, true);
        loop {
            if !may_have_taken {
                take =
                    (may_take && !shutdown.is_draining() && starts.are_well()).then(|| under_a_new_key(one));
            }
            let sent = tokio::select! {
                biased;
                sent = self.send_once(client, job_id, take.as_ref()) => sent,
                () = last_moment(shutdown) => {
                    let why = "the runner was stopped before the cluster answered";
                    return Err(Outcome::Unreported(why.into()));
                }
            };
            let error = match sent {
                Ok(next) => return Ok(next),
                Err(error) => error,
            };
            match &error {
                Error::Refused(refused) => match refused.kind {
                    RefusedKind::Conflict | RefusedKind::NotFound => {
                        return Err(Outcome::Dropped(refused.message.clone()));
                    }
                    RefusedKind::TooLarge if !self.log.is_empty() => {
                        // Better the outcome without its log than neither.
                        tracing::warn!(job = job_id, "the log was left out: {error}");
                        self.log = Bytes::new();
                        // Another job would be one too many for this slot.
                        (may_take, may_have_taken) = (!may_have_taken, false);
                        continue;
                    }
                    // Another token may take the place of this one before it is too late.
                    RefusedKind::Unauthorized => {}
                    RefusedKind::TooLarge | RefusedKind::Invalid => {
                        return Err(Outcome::Unreported(error.to_string()));
                    }
                },
                Error::Unknown(_) => may_have_taken = take.is_some(),
                Error::Unavailable(_) | Error::Unreachable(_) | Error::Tls(_) | Error::Protocol(_) => {}
                Error::Config(_) => return Err(Outcome::Unreported(error.to_string())),
            }
            if Instant::now() > deadline || shutdown.is_stopping() {
                return Err(Outcome::Unreported(error.to_string()));
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

    async fn send_once(
        &self,
        client: &Client,
        job_id: &str,
        take: Option<&Consume>,
    ) -> Result<Option<Taken>, Error> {
        let log = self.log.clone();
        let failure = self.failure.clone().map(|(reason, details)| {
            let log = log.clone();
            JobFailure { reason, details, log, retry: true }
        });
        let Keyed { answer, replayed } = match (failure, take) {
            (None, None) => return client.success(job_id, log).await.map(|_| None),
            (Some(failure), None) => return client.fail(job_id, failure).await.map(|_| None),
            (None, Some(take)) => client.success_and_take(job_id, log, take).await?,
            (Some(failure), Some(take)) => client.fail_and_take(job_id, failure, take).await?,
        };
        Ok(Taken::all(answer.jobs.unwrap_or_default(), replayed).next())
    }

    fn outcome(self) -> Outcome {
        match self.failure {
            None => Outcome::Success,
            Some((reason, details)) => Outcome::Failed { reason, details },
        }
    }
}

/// An answer says all that a key stands for: each needs one that nobody had yet.
fn under_a_new_key(one: &Consume) -> Consume {
    Consume { key: Some(Client::draw_key()), ..one.clone() }
}

/// When a report that is not answered yet is given up, since the runner was told to stop.
async fn last_moment(shutdown: &Shutdown) {
    shutdown.stopping().await;
    tokio::time::sleep(limits::LAST_REPORT).await;
}
