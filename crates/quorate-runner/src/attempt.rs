use std::time::Duration;

use bytes::Bytes;
use quorate_client::Client;
use quorate_client::api::{Job, Reason};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::config::RunnerConfig;
use crate::driver::{Driver, End, Finished, Work};
use crate::event::Outcome;
use crate::hold::{Granted, Held, Loss};
use crate::report::Report;
use crate::shutdown::Shutdown;

/// Runs one job from its grant to the report of its outcome.
pub(crate) async fn attempt(
    client: &Client,
    driver: Option<&dyn Driver>,
    mut job: Job,
    granted: Granted,
    config: &RunnerConfig,
    shutdown: &Shutdown,
) -> Outcome {
    let payload = std::mem::take(&mut job.payload).into();
    let mut held = Held::new(client, &job, granted, config.poll);
    match work(&mut held, driver, &job, payload, config, shutdown).await {
        Ok(report) => held.during(report.send(client, &job.id, config.report_limit, shutdown)).await,
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
    held: &mut Held<'_>,
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

    let stopped = tokio::select! {
        prepared = timeout(config.prepare_limit, driver.prepare(&work)) => match prepared {
            Ok(Ok(())) => None,
            Ok(Err(why)) => return Ok(Report::failure(Reason::BadExit, why, Default::default())),
            Err(_elapsed) => {
                let why = format!("the job was not ready to run within {:?}", config.prepare_limit);
                return Ok(Report::failure(Reason::BadExit, why, Default::default()));
            }
        },
        loss = held.lost() => Some(Stop::Lost(loss)),
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
        loss = held.lost() => Stop::Lost(loss),
        () = sleep(Duration::from_secs(job.timeout.into())), if !config.extend_timeout => Stop::Timeout,
        () = shutdown.stopping() => Stop::Shutdown,
    };
    stop.cancel();
    // It is ours until it has ended, or a retry would begin before that.
    let finished = held.during(&mut run).await;
    match (held.over(), &finished.end) {
        (Some(why), _) => Err(Lost(why.to_owned())),
        (None, End::Stopped) => stopped.report(job, finished.log),
        // It ended by itself in the same moment.
        (None, End::Success | End::BadExit(_) | End::Killed(_)) => Ok(finished.into()),
    }
}

impl Stop {
    fn report(self, job: &Job, log: Bytes) -> Result<Report, Lost> {
        let (reason, why) = match self {
            Stop::Lost(Loss::Over(why)) => return Err(Lost(why)),
            Stop::Timeout => (Reason::Timeout, format!("stopped after its timeout of {} s", job.timeout)),
            Stop::Lost(Loss::Silence) => {
                (Reason::Timeout, format!("its runner did not reach the cluster for {} s", job.timeout))
            }
            Stop::Shutdown => (Reason::Killed, "its runner was stopped".to_owned()),
        };
        Ok(Report::failure(reason, why, log))
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
