mod list;
mod set;
mod show;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use quorate_client::api::{Action, JobFilter, QueueRequest, Status};
use quorate_core::QueueName;
use quorate_core::limits::QUEUE_NAME_BYTES;

use crate::operation::many::{self, Asked, HowArgs};
use crate::output::Output;
use crate::target::Target;

/// Look at queues, set them, pause and purge them.
#[derive(Args)]
pub(crate) struct QueueArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    #[command(visible_alias = "ls")]
    List(list::ListArgs),
    /// Show a queue.
    #[command(visible_alias = "get")]
    Show(OneQueue),
    Set(Box<set::SetArgs>),
    /// Hand out none of a queue's jobs. Those that run go on.
    Pause(OneQueue),
    /// Hand out a queue's jobs again.
    Resume(OneQueue),
    /// Cancel the jobs of a queue that wait: the queued and the delayed ones. Those that run go on, and the cancelled ones are kept as
    /// any others.
    Purge {
        #[command(flatten)]
        how: HowArgs,
        #[command(flatten)]
        queue: OneQueue,
    },
    /// Take a queue's settings away. It is gone with its last finished job; the default one stays.
    #[command(visible_alias = "rm")]
    Delete(OneQueue),
}

#[derive(Args)]
struct OneQueue {
    /// The queue's name.
    #[arg(value_parser = name)]
    name: String,
    #[command(flatten)]
    target: Target,
}

/// A queue's name; for `value_parser`.
///
/// # Errors
/// It can be none.
pub(crate) fn name(given: &str) -> Result<String, String> {
    match QueueName::new(given) {
        Some(_) if matches!(given, "." | "..") => Err("it must be another name: a URL cannot have it".into()),
        Some(name) => Ok(name.to_string()),
        None => Err(format!("it must be a name of 1 to {QUEUE_NAME_BYTES} of a-z 0-9 . _ -")),
    }
}

/// Carries the command out.
///
/// # Errors
/// No node answered, or the cluster refused.
pub(crate) fn main(args: QueueArgs) -> anyhow::Result<ExitCode> {
    let mut out = Output::default();
    let done = match args.command {
        Command::List(args) => return list::main(args),
        Command::Show(OneQueue { name, target }) => {
            let queue = target.block_on(async |client| client.queue(&name).await)?;
            show::one(&mut out, &queue, &target);
            None
        }
        Command::Set(args) => {
            let set::SetArgs { name, settings, target } = *args;
            let request = settings.request();
            let queue = target.block_on(async |client| client.put_queue(&name, &request).await)?;
            show::one(&mut out, &queue, &target);
            Some("the queue is set")
        }
        Command::Pause(queue) => {
            pause(&mut out, &queue, true)?;
            Some("the queue is paused")
        }
        Command::Resume(queue) => {
            pause(&mut out, &queue, false)?;
            Some("the queue goes on")
        }
        Command::Purge { how, queue: OneQueue { name, target } } => {
            let status = vec![Status::Delayed, Status::Queued];
            let filter = JobFilter { queue: Some(name), status, ..JobFilter::default() };
            return many::main(
                Action::Cancel,
                Asked::Fitting(filter),
                "its queue was purged",
                false,
                &how,
                &target,
            );
        }
        Command::Delete(OneQueue { name, target }) => {
            target.block_on(async |client| client.delete_queue(&name).await)?;
            if target.json {
                out.json(&serde_json::json!({ "deleted": name }));
            } else if name == QueueName::DEFAULT.as_str() {
                out.line(format_args!("{name} is always there; its settings are deleted"));
            } else {
                out.line(format_args!("deleted {name}"));
            }
            Some("the queue is deleted")
        }
    };
    out.end(done)?;
    Ok(ExitCode::SUCCESS)
}

fn pause(out: &mut Output, OneQueue { name, target }: &OneQueue, paused: bool) -> anyhow::Result<()> {
    let request = QueueRequest { paused: Some(Some(paused)), ..QueueRequest::default() };
    let queue = target.block_on(async |client| {
        // To pause what there is not is a slip, and would make a queue of that name.
        client.queue(name).await?;
        client.put_queue(name, &request).await
    })?;
    show::one(out, &queue, target);
    Ok(())
}
