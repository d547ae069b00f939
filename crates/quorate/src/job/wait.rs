use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use quorate_client::api::{Job, Status};
use quorate_client::{Client, Error, RefusedKind};
use tokio::time::{sleep, timeout};

use super::{attempts, prefix, show};
use crate::duration::{HumanDuration, within};
use crate::exit_code::{JOB_NOT_WELL, NOT_FOUND, TIME_IS_UP};
use crate::limits::{JOBS_NAMED, JOBS_WAITED_FOR, LONGEST_WAIT, OUTCOME_HELD_SECONDS, POLL_EVERY};
use crate::number::{counted, form};
use crate::output::{self, Output};
use crate::patience::{Patience, may_come_back};
use crate::target::Target;
use crate::wrong_usage::wrong_usage;

/// Wait until jobs and their retries have ended.
///
/// Prints a line for each as it ends. The exit code is 0 when the last attempt at each has succeeded, 7 when one of them
/// ended in `error` or was cancelled, 8 when one has not ended within --wait.
/// Where no node answers for a while, or none reaches a majority, it says so, and goes on.
#[derive(Args)]
pub(super) struct WaitArgs {
    /// The jobs' ids, or the first characters of each, at least 8, that no other id begins with; at most 1000.
    #[arg(required = true, value_name = "ID", value_parser = prefix::id)]
    ids: Vec<String>,
    /// How long to wait; 0s looks once [default: until they have ended].
    #[arg(long, value_name = "DURATION", value_parser = within(Duration::ZERO..=LONGEST_WAIT))]
    wait: Option<HumanDuration>,
    /// Wait for the end of these jobs alone, not of their retries.
    #[arg(long)]
    no_retries: bool,
    #[command(flatten)]
    target: Target,
}

pub(super) fn main(args: WaitArgs) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(
        args.ids.len() <= JOBS_WAITED_FOR,
        wrong_usage(format!("wait: at most {JOBS_WAITED_FOR} jobs at once"))
    );
    let waiting = args.ids.iter().map(|id| (id.clone(), id.clone())).collect();
    let mut wait = Wait { waiting, ..Wait::default() };
    args.target.block_on(async |client| match args.wait {
        None => wait.until_all_have_ended(client, &args).await,
        // How are they now?
        Some(HumanDuration(Duration::ZERO)) => {
            wait.begin(client, &args, None).await?;
            wait.look(client, &args).await
        }
        // A read that is cut off leaves nothing behind.
        Some(HumanDuration(most)) => {
            let all = wait.until_all_have_ended(client, &args);
            timeout(most, all).await.unwrap_or(Ok(()))
        }
    })?;
    let Wait { mut out, waiting, ended, missing, is_current, .. } = wait;
    if args.target.json {
        out.json(&ended);
    }
    out.end(None)?;
    let left = waiting.len();
    if left > 0 {
        let have = if is_current {
            form(left, "has not", "have not")
        } else {
            form(left, "is not known to have", "are not known to have")
        };
        let all = counted(left + ended.len() + missing, "job");
        output::remark(format_args!("{left} of {all} {have} ended: {}", names(&waiting)));
    }
    if missing > 0 {
        return Ok(ExitCode::from(NOT_FOUND));
    }
    if left > 0 {
        return Ok(ExitCode::from(TIME_IS_UP));
    }
    let well = ended.iter().all(|job| job.status == Status::Success);
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::from(JOB_NOT_WELL) })
}

/// The first of these jobs, and how many more there are.
fn names(waiting: &[(String, String)]) -> String {
    let named = waiting.iter().take(JOBS_NAMED).map(|(id, _)| id.as_str()).collect::<Vec<_>>().join(", ");
    match waiting.len().saturating_sub(JOBS_NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

/// What is known of the jobs so far, also where the wait is cut off.
#[derive(Default)]
struct Wait {
    out: Output,
    /// Each job that has not ended, and the last attempt at it that is known.
    waiting: Vec<(String, String)>,
    ended: Vec<Job>,
    /// How many there are not.
    missing: usize,
    /// Every job has been looked at, and nothing has failed since.
    is_current: bool,
}

impl Wait {
    async fn until_all_have_ended(&mut self, client: &Client, args: &WaitArgs) -> anyhow::Result<()> {
        let mut patience = Patience::new(client);
        self.begin(client, args, Some(&mut patience)).await?;
        let mut pause = *POLL_EVERY.start();
        loop {
            let before = self.waiting.len();
            match self.look(client, args).await {
                Err(error) if may_come_back(&error) && client.was_reached() => {
                    self.is_current = false;
                    patience.failed(&error);
                }
                looked => {
                    looked?;
                    patience.went_well();
                }
            }
            if self.waiting.is_empty() {
                return Ok(());
            }
            self.pause(client, args, pause).await;
            let is_slow = self.waiting.len() == before;
            pause = if is_slow { (pause * 2).min(*POLL_EVERY.end()) } else { *POLL_EVERY.start() };
        }
    }

    /// Until one of them may have ended: of a single one the cluster says it.
    async fn pause(&self, client: &Client, args: &WaitArgs, pause: Duration) {
        if let [(_, attempt)] = self.waiting.as_slice()
            && client.outcome(attempt, OUTCOME_HELD_SECONDS, !args.no_retries).await.is_ok()
        {
            return;
        }
        sleep(pause).await;
    }

    async fn begin(
        &mut self,
        client: &Client,
        args: &WaitArgs,
        mut patience: Option<&mut Patience>,
    ) -> anyhow::Result<()> {
        let mut ids = BTreeSet::new();
        for id in &args.ids {
            let look = async || prefix::resolve(client, id).await;
            let found = match &mut patience {
                Some(patience) => patience.outlast(look).await,
                None => look().await,
            };
            match found {
                Err(error) if is_missing(&error) => {
                    self.waiting.retain(|(waiting, _)| waiting != id);
                    self.note_missing(&error);
                }
                id => _ = ids.insert(id?),
            }
        }
        self.waiting = ids.into_iter().map(|id| (id.clone(), id)).collect();
        Ok(())
    }

    /// Looks at each once.
    async fn look(&mut self, client: &Client, args: &WaitArgs) -> anyhow::Result<()> {
        let mut next = 0;
        while let Some((id, attempt)) = self.waiting.get_mut(next) {
            let last = last_attempt(client, attempt, args).await;
            if *attempt != *id && last.as_ref().is_err_and(is_missing) {
                // The retry was deleted: then the last one counts that is known, from the job on.
                attempt.clone_from(id);
                continue;
            }
            let last = last.map_err(|error| of_job(id, error));
            match last {
                Ok(Attempt::Active(last)) => {
                    *attempt = last;
                    next += 1;
                    continue;
                }
                Ok(Attempt::Final(job)) => {
                    if !args.target.json {
                        let retry = if job.id == *id { String::new() } else { format!("  as {}", job.id) };
                        self.out.line(format_args!("{id}  {}{retry}", show::status(&job)));
                    }
                    self.ended.push(*job);
                }
                Err(error) if is_missing(&error) => self.note_missing(&error),
                Err(error) => return Err(error),
            }
            self.waiting.remove(next);
        }
        self.is_current = true;
        Ok(())
    }

    /// Says of which job it is, and goes on with the others.
    fn note_missing(&mut self, error: &anyhow::Error) {
        output::remark(format_args!("error: {error:#}"));
        self.missing += 1;
    }
}

/// There is no such job.
fn is_missing(error: &anyhow::Error) -> bool {
    let refused = error.downcast_ref().and_then(Error::refused);
    refused.is_some_and(|refused| refused.kind == RefusedKind::NotFound)
}

/// Which of many it is that there is not.
fn of_job(id: &str, error: anyhow::Error) -> anyhow::Error {
    if is_missing(&error) { error.context(format!("the job {id}")) } else { error }
}

enum Attempt {
    /// This one is under way, or waits.
    Active(String),
    Final(Box<Job>),
}

/// The newest attempt at a job: it, or what retries it; with its payload where that is shown.
async fn last_attempt(client: &Client, id: &str, args: &WaitArgs) -> anyhow::Result<Attempt> {
    let mut job = client.get_without_payload(id).await?;
    loop {
        match job.status {
            Status::Delayed | Status::Queued | Status::Running => return Ok(Attempt::Active(job.id)),
            Status::Success | Status::Error | Status::Cancelled => {}
        }
        let next = match job.retry_id.as_ref().filter(|_| !args.no_retries) {
            Some(next) => attempts::find(client, next).await?,
            None => None,
        };
        // The retry may have been deleted; then this is the last one that is known.
        let Some(next) = next else {
            let last = if args.target.json { client.get(&job.id).await? } else { job };
            return Ok(Attempt::Final(Box::new(last)));
        };
        job = next;
    }
}
