use std::time::Duration;

use quorate_client::api::Reason;

/// What a runner did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It took a job.
    Started {
        /// The job's id.
        job_id: String,
        /// The job's image.
        image: String,
    },
    /// It is done with a job.
    Finished {
        /// The job's id.
        job_id: String,
        /// How it ended.
        outcome: Outcome,
        /// How long it had the job.
        took: Duration,
    },
}

/// How a job ended, as far as its runner is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The cluster knows that it succeeded.
    Success,
    /// The cluster knows that it failed.
    Failed {
        /// Why.
        reason: Reason,
        /// Why, in words.
        details: String,
    },
    /// It was given back, since the runner was told to stop: a new job goes on from it.
    Released,
    /// The job was cancelled, timed out or deleted meanwhile: what was left of the work was stopped, and there was nothing
    /// to report.
    Dropped(String),
    /// The work is done, but the cluster could not be told: it will time the job out.
    Unreported(String),
}
