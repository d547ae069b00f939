use std::time::Duration;

use bytes::Bytes;
use quorate_client::api::{Job, Reason};
use quorate_client::{Client, Consume, Error};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::config::RunnerConfig;
use crate::driver::{Driver, End, NotStarted, Work};
use crate::event::Outcome;
use crate::hold::{Held, Loss, Taken};
use crate::limits;
use crate::live_log::LiveLog;
use crate::output::Output;
use crate::report::{Report, Reporting};
use crate::shutdown::Shutdown;
use crate::starts::Starts;

/// What an attempt at a job needs.
pub(crate) struct Attempt<'a> {
    pub(crate) client: &'a Client,
    pub(crate) config: &'a RunnerConfig,
    /// What is taken with the report.
    pub(crate) one: &'a Consume,
    pub(crate) starts: &'a Starts,
    pub(crate) shutdown: &'a Shutdown,
    /// When the job was taken.
    pub(crate) taken: Instant,
}

/// There is no outcome to report.
enum Abandoned {
    /// The job is somebody else's, or nobody's.
    Lost(String),
    /// The runner was told to stop. `log` is what had come of it.
    Stopped { log: Bytes },
}

/// Why work is stopped before it ended by itself.
enum Stop {
    Lost(Loss),
    Timeout,
    Shutdown,
}

impl Attempt<'_> {
    /// Runs one job from its grant to the report of its outcome, with which the next job may come.
    pub(crate) async fn run(&self, driver: Option<&dyn Driver>, taken: Taken) -> (Outcome, Option<Taken>) {
        let Taken { mut job, granted, .. } = taken;
        let payload = std::mem::take(&mut job.payload).into();
        let mut held = Held::new(self.client, &job, granted, self.config.poll);
        let report = match self.work(&mut held, driver, &job, payload).await {
            Ok(report) => report,
            Err(Abandoned::Lost(why)) => return (Outcome::Dropped(why), None),
            Err(Abandoned::Stopped { log }) => match held.during(self.release(&job)).await {
                Ok(()) => return (Outcome::Released, None),
                Err(Error::Refused(why)) => {
                    tracing::debug!(job = job.id, "not given back: {why}");
                    Report::failure(Reason::Killed, "its runner was stopped".into(), log)
                }
                Err(error) => return (Outcome::Unreported(error.to_string()), None),
            },
        };
        let reporting = Reporting {
            client: self.client,
            job_id: &job.id,
            limit: self.config.report_limit,
            one: self.one,
            starts: self.starts,
            shutdown: self.shutdown,
        };
        held.during(report.send(&reporting)).await
    }

    /// Gives the job back: that costs it no attempt.
    async fn release(&self, job: &Job) -> Result<(), Error> {
        self.client.within(limits::LAST_RELEASE).release(&job.id, 0).await.map(drop)
    }

    async fn work(
        &self,
        held: &mut Held<'_>,
        driver: Option<&dyn Driver>,
        job: &Job,
        payload: Bytes,
    ) -> Result<Report, Abandoned> {
        let Some(driver) = driver else {
            let why = format!("this runner runs no jobs of the image {:?}", job.image);
            return Ok(self.not_started(NotStarted::Refused(why)));
        };
        let work = Work { job_id: job.id.clone(), image: job.image.clone(), payload };

        let limit = self.config.prepare_limit;
        let stopped = tokio::select! {
            prepared = timeout(limit, driver.prepare(&work)) => match prepared {
                Ok(Ok(())) => None,
                Ok(Err(why)) => return Ok(self.not_started(why)),
                Err(_elapsed) => {
                    let why = format!("the job was not ready to run within {limit:?}");
                    return Ok(self.not_started(NotStarted::Refused(why)));
                }
            },
            loss = held.lost() => Some(Stop::Lost(loss)),
            () = self.shutdown.stopping() => Some(Stop::Shutdown),
        };
        if let Some(stopped) = stopped {
            return stopped.report(job, Default::default());
        }

        let (output, stop) = (Output::default(), CancellationToken::new());
        let (client, every) = (self.client, self.config.log_every);
        let live = LiveLog { client, job_id: &job.id, output: &output, every };
        let mut run = std::pin::pin!(async {
            let running = driver.start(&work, &output, &stop).await?;
            self.starts.succeeded();
            Ok(live.during(running).await)
        });
        let stopped = tokio::select! {
            biased;
            ran = &mut run => return Ok(self.ended(ran, &output)),
            loss = held.lost() => Stop::Lost(loss),
            () = sleep(Duration::from_secs(job.timeout.into())), if !self.config.extend_timeout => Stop::Timeout,
            () = self.shutdown.stopping() => Stop::Shutdown,
        };
        stop.cancel();
        // It is ours until it has ended, or a retry would begin before that.
        let ran = held.during(&mut run).await;
        match (held.over(), ran) {
            (Some(why), _) => Err(Abandoned::Lost(why.to_owned())),
            (None, Ok(End::Stopped)) => stopped.report(job, output.finish()),
            // It ended by itself in the same moment.
            (None, ran) => Ok(self.ended(ran, &output)),
        }
    }

    fn ended(&self, ran: Result<End, NotStarted>, output: &Output) -> Report {
        let log = output.finish();
        match ran {
            Ok(End::Success) => Report::success(log),
            Ok(End::BadExit(why)) => Report::failure(Reason::BadExit, why, log),
            Ok(End::Killed(why)) => Report::failure(Reason::Killed, why, log),
            Ok(End::Stopped) => Report::failure(Reason::Killed, "its runner was stopped".into(), log),
            Err(why) => self.not_started(why),
        }
    }

    fn not_started(&self, why: NotStarted) -> Report {
        let why = match why {
            NotStarted::Refused(why) => why,
            NotStarted::Unable(why) => {
                self.starts.failed(self.taken, &why);
                why
            }
        };
        Report::failure(Reason::BadExit, why, Default::default())
    }
}

impl Stop {
    fn report(self, job: &Job, log: Bytes) -> Result<Report, Abandoned> {
        let (reason, why) = match self {
            Stop::Lost(Loss::Over(why)) => return Err(Abandoned::Lost(why)),
            Stop::Shutdown => return Err(Abandoned::Stopped { log }),
            Stop::Timeout => (Reason::Timeout, format!("stopped after its timeout of {} s", job.timeout)),
            Stop::Lost(Loss::Silence) => {
                (Reason::Timeout, format!("its runner did not reach the cluster for {} s", job.timeout))
            }
        };
        Ok(Report::failure(reason, why, log))
    }
}
