use std::time::Duration;

use bytes::Bytes;
use quorate_client::Client;
use quorate_client::api::{Job, Reason};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::config::RunnerConfig;
use crate::driver::{Driver, End, Finished, Work};
use crate::event::Outcome;
use crate::hold::{Loss, hold};
use crate::report::Report;
use crate::shutdown::Shutdown;

/// Runs one job from its grant to the report of its outcome.
pub(crate) async fn attempt(
    client: &Client,
    driver: Option<&dyn Driver>,
    mut job: Job,
    config: &RunnerConfig,
    shutdown: &Shutdown,
) -> Outcome {
    let payload = std::mem::take(&mut job.payload).into();
    match work(client, driver, &job, payload, config, shutdown).await {
        Ok(report) => report.send(client, &job.id, config.report_limit, shutdown).await,
        Err(Lost(why)) => Outcome::Dropped(why),
    }
}

/// The job is somebody else's, or nobody's: there is nothing to report.
struct Lost(String);

/// Why work is stopped before it ended by itself.
enum Stop {
    Lost(Loss),
    Timeout,
    Shutdown,
}

async fn work(
    client: &Client,
    driver: Option<&dyn Driver>,
    job: &Job,
    payload: Bytes,
    config: &RunnerConfig,
    shutdown: &Shutdown,
) -> Result<Report, Lost> {
    let Some(driver) = driver else {
        let why = format!("this runner runs no jobs of the image {:?}", job.image);
        return Ok(Report::failure(Reason::BadExit, why, Default::default()));
    };
    let work = Work { job_id: job.id.clone(), image: job.image.clone(), payload };
    let mut held = std::pin::pin!(hold(client, job, config.poll));

    let stopped = tokio::select! {
        prepared = timeout(config.prepare_limit, driver.prepare(&work)) => match prepared {
            Ok(Ok(())) => None,
            Ok(Err(why)) => return Ok(Report::failure(Reason::BadExit, why, Default::default())),
            Err(_elapsed) => {
                let why = format!("the job was not ready to run within {:?}", config.prepare_limit);
                return Ok(Report::failure(Reason::BadExit, why, Default::default()));
            }
        },
        loss = &mut held => Some(Stop::Lost(loss)),
        () = shutdown.stopping() => Some(Stop::Shutdown),
    };
    if let Some(stopped) = stopped {
        return stopped.report(job, Default::default());
    }

    let stop = CancellationToken::new();
    let mut run = driver.run(&work, &stop);
    let stopped = tokio::select! {
        biased;
        finished = &mut run => return Ok(finished.into()),
        loss = &mut held => Stop::Lost(loss),
        () = sleep(Duration::from_secs(job.timeout.into())), if !config.extend_timeout => Stop::Timeout,
        () = shutdown.stopping() => Stop::Shutdown,
    };
    stop.cancel();
    let finished = run.await;
    stopped.report(job, finished)
}

impl Stop {
    fn report(self, job: &Job, finished: Finished) -> Result<Report, Lost> {
        match self {
            Stop::Lost(Loss::Over(why)) => Err(Lost(why)),
            Stop::Timeout | Stop::Lost(Loss::Silence) => {
                let why = format!("stopped after its timeout of {} s", job.timeout);
                Ok(Report::failure(Reason::Timeout, why, finished.log))
            }
            Stop::Shutdown => {
                Ok(Report::failure(Reason::Killed, "its runner was stopped".into(), finished.log))
            }
        }
    }
}

impl From<Finished> for Report {
    fn from(finished: Finished) -> Report {
        match finished.end {
            End::Success => Report::success(finished.log),
            End::BadExit(why) => Report::failure(Reason::BadExit, why, finished.log),
            End::Killed(why) => Report::failure(Reason::Killed, why, finished.log),
            End::Stopped => Report::failure(Reason::Killed, "its runner was stopped".into(), finished.log),
        }
    }
}

impl Default for Finished {
    /// Work that never began.
    fn default() -> Finished {
        Finished { end: End::BadExit("not begun".into()), log: Default::default() }
    }
}
