mod enqueue;
mod list;
mod show;

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use quorate_client::ListJobs;
use quorate_client::api::Status;

use crate::cli::Target;
use crate::output::Output;

/// Enqueue, look at and steer jobs.
#[derive(Args)]
pub(crate) struct JobArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Enqueue a job, or many from a file.
    Enqueue(enqueue::EnqueueArgs),
    /// Show a job.
    Get(OneJob),
    /// List jobs, newest first; without --status those that wait or run.
    List {
        /// At most so many, 1 to 1000.
        #[arg(short, long, default_value_t = 20)]
        n: u32,
        /// Only those in this status.
        #[arg(long, value_enum)]
        status: Option<StatusArg>,
        /// Only those of this image.
        #[arg(long)]
        image: Option<String>,
        /// Where the list before ended.
        #[arg(long)]
        cursor: Option<String>,
        #[command(flatten)]
        target: Target,
    },
    /// Print the log of a finished job, byte for byte; on a terminal as text, with what would steer it spelled out.
    Log(OneJob),
    /// Call off a job that has not finished.
    Cancel {
        /// Why, for people.
        #[arg(long, default_value = "")]
        details: String,
        #[command(flatten)]
        job: OneJob,
    },
    /// Enqueue a finished job again, as a new job.
    Retry(OneJob),
    /// Remove a finished job and its log, for good.
    Delete(OneJob),
}

#[derive(Args)]
struct OneJob {
    /// The job's id.
    id: String,
    #[command(flatten)]
    target: Target,
}

#[derive(Clone, Copy, ValueEnum)]
enum StatusArg {
    Delayed,
    Queued,
    Running,
    Success,
    Error,
    Cancelled,
}

impl From<StatusArg> for Status {
    fn from(status: StatusArg) -> Status {
        match status {
            StatusArg::Delayed => Status::Delayed,
            StatusArg::Queued => Status::Queued,
            StatusArg::Running => Status::Running,
            StatusArg::Success => Status::Success,
            StatusArg::Error => Status::Error,
            StatusArg::Cancelled => Status::Cancelled,
        }
    }
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
            let job = target.block_on(async |client| client.get(&id).await)?;
            show::one(&mut out, &job, &target);
            None
        }
        Command::List { n, status, image, cursor, target } => {
            let from = ListJobs { n: None, cursor, status: status.map(Status::from), image };
            let page = target.block_on(async |client| list::list(client, n, from).await)?;
            show::page(&mut out, &page, &target);
            None
        }
        Command::Log(OneJob { id, target }) => {
            let log = target.block_on(async |client| client.log(&id).await)?;
            out.data(&log);
            None
        }
        Command::Cancel { details, job: OneJob { id, target } } => {
            let job = target.block_on(async |client| client.cancel(&id, &details).await)?;
            show::one(&mut out, &job, &target);
            Some("the job is cancelled".to_owned())
        }
        Command::Retry(OneJob { id, target }) => {
            let job = target.block_on(async |client| client.retry(&id, None).await)?.answer;
            show::one(&mut out, &job, &target);
            Some(format!("the job is retried as {}", job.id))
        }
        Command::Delete(OneJob { id, target }) => {
            target.block_on(async |client| client.delete(&id).await)?;
            if target.json {
                out.json(&serde_json::json!({ "deleted": id }));
            } else {
                out.line(format_args!("deleted {id}"));
            }
            Some("the job is deleted".to_owned())
        }
    };
    out.end(done.as_deref())?;
    Ok(ExitCode::SUCCESS)
}
