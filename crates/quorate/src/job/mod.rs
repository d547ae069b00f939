mod attempts;
mod enqueue;
mod filter;
mod incomplete;
mod input;
mod list;
mod log;
mod prefix;
mod show;
mod tags;
mod touch;
mod wait;
mod which;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use quorate_client::api::Action;
pub(crate) use quorate_client::api::JobsWrapper as Page;
use quorate_core::limits::DELAY_SECONDS;

use self::attempts::Attempts;
pub(crate) use self::attempts::find;
pub(crate) use self::incomplete::Incomplete;
pub(crate) use self::prefix::{id, only, resolve};
pub(crate) use self::show::{page, word};
use self::which::{Which, WhichArgs};
use crate::duration::seconds;
use crate::operation::many;
use crate::output::Output;
use crate::target::Target;

/// Enqueue, look at and steer jobs.
#[derive(Args)]
pub(crate) struct JobArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    #[command(visible_alias = "add")]
    Enqueue(enqueue::EnqueueArgs),
    /// Show a job.
    #[command(visible_alias = "show", alias = "status")]
    Get(OneJob),
    #[command(visible_alias = "ls")]
    List(list::ListArgs),
    Wait(wait::WaitArgs),
    #[command(visible_alias = "logs")]
    Log(log::LogArgs),
    Touch(touch::TouchArgs),
    /// Give a running job back: it is cancelled, and a new job goes on from it, which is no attempt of it.
    Release {
        /// How long the new job waits before it is queued [default: 0].
        #[arg(long, value_name = "DURATION", default_value = "0", hide_default_value = true, value_parser = seconds(0..=DELAY_SECONDS))]
        delay: u32,
        #[command(flatten)]
        job: OneJob,
    },
    /// Call off a job that has not finished, or several, or all such that fit, such as those of a queue.
    Cancel {
        /// Why, for people.
        #[arg(long, default_value = "")]
        details: String,
        #[command(flatten)]
        jobs: Box<WhichArgs>,
    },
    /// Enqueue a finished job again, as a new job; or several, or all that fit, of those that failed unless --status says otherwise,
    /// and that nobody has retried. Where its automatic retry waits for its time, that one is queued now.
    Retry(Box<WhichArgs>),
    /// Remove a finished job and its log, for good; or several, or all that fit, of which a terminal is asked first.
    #[command(visible_alias = "rm")]
    Delete {
        /// Do not ask before all that fit are removed.
        #[arg(short, long)]
        yes: bool,
        #[command(flatten)]
        jobs: Box<WhichArgs>,
    },
}

#[derive(Args)]
struct OneJob {
    /// The job's id, or its first characters, at least 8, if no other begins so.
    #[arg(value_parser = prefix::id)]
    id: String,
    #[command(flatten)]
    target: Target,
}

/// Carries the command out.
///
/// # Errors
/// No node answered, or the cluster refused.
pub(crate) fn main(args: JobArgs) -> anyhow::Result<ExitCode> {
    let mut out = Output::default();
    let done = match args.command {
        Command::Enqueue(args) => return enqueue::main(args),
        Command::Get(OneJob { id, target }) => {
            let (job, attempts) = target.block_on(async |client| {
                let job = client.get(&prefix::resolve(client, &id).await?).await?;
                let attempts =
                    if target.json { Attempts::default() } else { attempts::all(client, &job).await? };
                anyhow::Ok((job, attempts))
            })?;
            show::one(&mut out, &job, &attempts, &target);
            None
        }
        Command::List(args) => return list::main(args),
        Command::Wait(args) => return wait::main(args),
        Command::Log(args) => return log::main(args),
        Command::Touch(args) => return touch::main(args),
        Command::Release { delay, job: OneJob { id, target } } => {
            let new = target.block_on(async |client| {
                anyhow::Ok(client.release(&prefix::resolve(client, &id).await?, delay).await?)
            })?;
            show::one(&mut out, &new, &Attempts::default(), &target);
            Some(format!("the job is given back, and goes on as {}", new.id))
        }
        Command::Cancel { details, mut jobs } => {
            let (which, target) = (jobs.which(Action::Cancel)?, &jobs.target);
            let id = match which {
                Which::One(id) => id,
                Which::Many(asked) => {
                    return many::main(Action::Cancel, asked, &details, false, &jobs.how, target);
                }
            };
            let job = target.block_on(async |client| {
                anyhow::Ok(client.cancel(&prefix::resolve(client, &id).await?, &details).await?)
            })?;
            match jobs.how.quiet {
                true => out.line(&job.id),
                false => show::one(&mut out, &job, &Attempts::default(), target),
            }
            Some("the job is cancelled".to_owned())
        }
        Command::Retry(mut jobs) => {
            let (which, target) = (jobs.which(Action::Retry)?, &jobs.target);
            let id = match which {
                Which::One(id) => id,
                Which::Many(asked) => {
                    return many::main(Action::Retry, asked, "", false, &jobs.how, target);
                }
            };
            let retry = target.block_on(async |client| {
                anyhow::Ok(client.retry_anew(&prefix::resolve(client, &id).await?, None).await?)
            })?;
            match jobs.how.quiet {
                true => out.line(&retry.answer.id),
                false => show::one(&mut out, &retry.answer, &Attempts::default(), target),
            }
            Some(format!("the job is retried as {}", retry.answer.id))
        }
        Command::Delete { yes, mut jobs } => {
            let (which, target) = (jobs.which(Action::Delete)?, &jobs.target);
            let id = match which {
                Which::One(id) => id,
                Which::Many(asked) => {
                    return many::main(Action::Delete, asked, "", !yes, &jobs.how, target);
                }
            };
            let id = target.block_on(async |client| {
                let id = prefix::resolve(client, &id).await?;
                client.delete(&id).await?;
                anyhow::Ok(id)
            })?;
            match (target.json, jobs.how.quiet) {
                (true, _) => out.json(&serde_json::json!({ "deleted": id })),
                (false, true) => out.line(&id),
                (false, false) => out.line(format_args!("deleted {id}")),
            }
            Some("the job is deleted".to_owned())
        }
    };
    out.end(done.as_deref())?;
    Ok(ExitCode::SUCCESS)
}
