use std::collections::HashSet;
use std::fmt::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use anyhow::Context;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use quorate_check::{Call, History, JobRecord, Op, Outcome};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::clock::Clock;
use crate::hosts::LogPipe;
use crate::limits;
use crate::observe::Stuck;
use crate::relay::{FIRST_RELAYED, Relay};
use crate::shared::Shared;

/// What a job runs. It says what [`crate::convert::log_of`] says, and sometimes fails or takes its time.
const PROGRAM: &str = r#"#!/bin/sh
printf 'the log of %s' "$JOB_ID"
case "$JOB_ID" in
*0) exit 1 ;;
*1) sleep 1 ;;
esac
"#;

/// Jobs that are shown.
const SHOWN: usize = 3;

/// A real runner beside the clients: `quorate run`, which takes from the same queue.
pub(crate) struct Runner {
    binary: PathBuf,
    program: PathBuf,
    log: PathBuf,
    /// The file with its token.
    token: PathBuf,
    relay: Relay,
    running: Option<(Child, LogPipe)>,
}

impl Runner {
    /// Starts it.
    ///
    /// # Errors
    /// It cannot be started.
    pub(crate) async fn start(
        binary: &Path,
        dir: &Path,
        token: PathBuf,
        shared: Arc<Shared>,
        clock: Clock,
    ) -> anyhow::Result<Runner> {
        let (program, log) = (dir.join("program.sh"), dir.join("runner.log"));
        tokio::fs::write(&program, PROGRAM).await?;
        tokio::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).await?;
        tokio::fs::write(&log, "").await?;
        let relay = Relay::start(shared, clock).await?;
        let mut runner = Runner { binary: binary.to_owned(), program, log, token, relay, running: None };
        runner.spawn()?;
        Ok(runner)
    }

    fn spawn(&mut self) -> anyhow::Result<()> {
        let mut child = Command::new(&self.binary)
            .arg("run")
            .args(["--nodes", &self.relay.urls.join(",")])
            .args(["--program", &format!("chaos={}", self.program.display())])
            .args(["--concurrency", "4"])
            .arg("--token-file")
            .arg(&self.token)
            .process_group(0) // Ctrl-C reaches the harness alone
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", self.binary.display()))?;
        let log = LogPipe::new(&mut child, &self.log)?;
        self.running = Some((child, log));
        Ok(())
    }

    /// Kills what reads its log, and waits until it has run jobs all the same.
    ///
    /// # Errors
    /// [`Stuck`] if it does not, or does not end when it is asked to.
    pub(crate) async fn lose_log(&mut self) -> anyhow::Result<()> {
        if self.running.as_ref().is_some_and(|(_, log)| log.is_lost()) {
            self.stop().await?;
            self.spawn()?;
        }
        // So that it is known to run jobs with its log.
        self.runs_jobs("was started").await?;
        if let Some((_, log)) = &mut self.running {
            log.lose().await;
        }
        self.runs_jobs("lost its log").await
    }

    async fn runs_jobs(&mut self, since: &str) -> anyhow::Result<()> {
        let enough = self.relay.ended() + limits::RUNNER_JOBS;
        let deadline = Instant::now() + limits::HEAL;
        while self.relay.ended() < enough {
            if let Some((child, _)) = &mut self.running
                && let Some(status) = child.try_wait()?
            {
                return Err(Stuck(format!("the runner has ended with {status} since it {since}")).into());
            }
            if Instant::now() >= deadline {
                let what = format!("the runner runs no jobs since it {since}: see {}", self.log.display());
                return Err(Stuck(what).into());
            }
            sleep(limits::POLL).await;
        }
        Ok(())
    }

    /// Asks it to end, and waits until it has, in good order.
    ///
    /// # Errors
    /// [`Stuck`] if it has not.
    pub(crate) async fn stop(&mut self) -> anyhow::Result<()> {
        let Some((mut child, mut log)) = self.running.take() else { return Ok(()) };
        let pid = child.id().context("the runner was waited for already")?;
        kill(Pid::from_raw(i32::try_from(pid)?), Signal::SIGTERM)?;
        let Ok(status) = timeout(limits::STOP, child.wait()).await else {
            return Err(Stuck("the runner does not end after SIGTERM".to_owned()).into());
        };
        log.drain().await;
        let status = status?;
        if !status.success() {
            return Err(Stuck(format!("the runner was sent SIGTERM and ended with {status}")).into());
        }
        self.relay.is_sound()
    }
}

/// Jobs that the runner was handed and that it did not end, though nobody took them from it.
pub(crate) fn unfinished(history: &History) -> Vec<(&Op, &JobRecord)> {
    let relayed = || history.ops.iter().filter(|op| op.client >= FIRST_RELAYED);
    let ended: HashSet<&str> = history.ops.iter().filter_map(|op| ended_by(&op.call)).collect();
    let handed = relayed().filter(|op| op.outcome == Outcome::Ok && matches!(op.call, Call::Consume { .. }));
    let jobs = handed.flat_map(|op| op.jobs.iter().map(move |job| (op, job)));
    // One with a short timeout may be over before a busy machine has begun it.
    jobs.filter(|(_, job)| job.timeout >= limits::ENOUGH_TIME && !ended.contains(&*job.id)).collect()
}

fn ended_by(call: &Call) -> Option<&str> {
    match call {
        Call::Success { id, .. }
        | Call::Fail { id, .. }
        | Call::Cancel { id }
        | Call::Release { id, .. }
        | Call::Delete { id } => Some(id),
        // Of a finish its parts are asked.
        Call::Enqueue { .. }
        | Call::Consume { .. }
        | Call::Finish { .. }
        | Call::Touch { .. }
        | Call::Retry { .. }
        | Call::Set { .. }
        | Call::Operate { .. }
        | Call::Stop { .. }
        | Call::Watch { .. }
        | Call::Get { .. }
        | Call::List { .. } => None,
    }
}

/// These in words; nothing if there are none.
pub(crate) fn tell_unfinished(unfinished: &[(&Op, &JobRecord)]) -> String {
    let mut told = String::new();
    if !unfinished.is_empty() {
        let _ = writeln!(
            told,
            "\nrunner is broken ({} times): a runner ends the jobs that it took",
            unfinished.len()
        );
    }
    for (op, job) in unfinished.iter().take(SHOWN) {
        let _ = writeln!(told, "  {} of {op:?}", job.id);
    }
    told
}
