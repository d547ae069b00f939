use std::process::ExitCode;

use clap::Args;
use quorate_client::Client;
use quorate_client::api::{Job, Status};
use tokio::time::{Instant, sleep, timeout_at};

use super::{attempts, prefix, show};
use crate::cli::Target;
use crate::duration::HumanDuration;
use crate::exit_code::{JOB_NOT_WELL, TIME_IS_UP};
use crate::limits::{JOBS_WAITED_FOR, LONGEST_WAIT, POLL_EVERY};
use crate::output::{self, Output};

/// Wait until jobs and their retries have ended.
///
/// Prints a line for each as it ends. The exit code is 0 when the last attempt at each has succeeded, 7 when one of them
/// ended in `error` or was cancelled, 8 when one has not ended within --wait.
#[derive(Args)]
pub(super) struct WaitArgs {
    /// The jobs' ids, or the first characters of each, at least 8, that no other id begins with; at most 1000.
    #[arg(required = true, value_name = "ID", value_parser = prefix::id)]
    ids: Vec<String>,
    /// How long to wait [default: until they have ended].
    #[arg(long, value_name = "DURATION")]
    wait: Option<HumanDuration>,
    /// Wait for the end of these jobs alone, not of their retries.
    #[arg(long)]
    no_retries: bool,
    #[command(flatten)]
    target: Target,
}

pub(super) fn main(args: WaitArgs) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(args.ids.len() <= JOBS_WAITED_FOR, "wait: at most {JOBS_WAITED_FOR} jobs at once");
    let until = args.wait.map(|HumanDuration(wait)| Instant::now() + wait.min(LONGEST_WAIT));
    let (mut out, mut ended, mut left) = (Output::default(), Vec::new(), 0);
    args.target.block_on(async |client| {
        let mut waiting = Vec::new();
        for id in &args.ids {
            let id = prefix::resolve(client, id).await?;
            waiting.push((id.clone(), id));
        }
        waiting.sort();
        waiting.dedup();
        let mut pause = *POLL_EVERY.start();
        loop {
            let mut still = Vec::new();
            for (id, attempt) in waiting {
                match last_attempt(client, &attempt, args.no_retries).await? {
                    Attempt::Active(attempt) => still.push((id, attempt)),
                    Attempt::Final(job) => {
                        if args.target.json {
                            ended.push(client.get(&job.id).await?);
                        } else {
                            let retry = if job.id == id { String::new() } else { format!("  as {}", job.id) };
                            out.line(format_args!("{id}  {}{retry}", show::status(&job)));
                            ended.push(*job);
                        }
                        pause = *POLL_EVERY.start();
                    }
                }
            }
            left = still.len();
            waiting = still;
            let is_over = until.is_some_and(|until| Instant::now() >= until);
            if waiting.is_empty() || is_over {
                return anyhow::Ok(());
            }
            match until {
                Some(until) => _ = timeout_at(until, sleep(pause)).await,
                None => sleep(pause).await,
            }
            pause = (pause * 2).min(*POLL_EVERY.end());
        }
    })?;
    if args.target.json {
        out.json(&ended);
    }
    out.end(None)?;
    if left > 0 {
        output::remark(format_args!("{left} of {} jobs have not ended", left + ended.len()));
        return Ok(ExitCode::from(TIME_IS_UP));
    }
    let well = ended.iter().all(|job| job.status == Status::Success);
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::from(JOB_NOT_WELL) })
}

enum Attempt {
    /// This one is under way, or waits.
    Active(String),
    Final(Box<Job>),
}

/// The newest attempt at a job: it, or what retries it.
async fn last_attempt(client: &Client, id: &str, no_retries: bool) -> anyhow::Result<Attempt> {
    let mut job = client.get_without_payload(id).await?;
    loop {
        match job.status {
            Status::Delayed | Status::Queued | Status::Running => return Ok(Attempt::Active(job.id)),
            Status::Success | Status::Error | Status::Cancelled => {}
        }
        let Some(next) = job.retry_id.as_ref().filter(|_| !no_retries) else {
            return Ok(Attempt::Final(Box::new(job)));
        };
        // The retry may have been deleted; then this is the last one that is known.
        let Some(next) = attempts::find(client, next).await? else {
            return Ok(Attempt::Final(Box::new(job)));
        };
        job = next;
    }
}
