pub(crate) mod many;
mod skipped;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use quorate_client::Client;
use quorate_client::api::{Operation, OperationStatus};
use quorate_core::limits::ID_CHARS;

use crate::job;
use crate::limits::JOBS_LISTED;
use crate::number::number;
use crate::output::{Output, Table};
use crate::target::Target;

/// Watch and stop work on many jobs, which `quorate job retry`, `cancel` and `delete` begin by filter.
#[derive(Args)]
pub(crate) struct OperationArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List it, the newest first: what goes on, and what ended lately.
    #[command(visible_alias = "ls")]
    List {
        /// At most so many, 1 to 1000.
        #[arg(short, long, default_value_t = 20, value_parser = number::<u32>(1..=JOBS_LISTED))]
        n: u32,
        /// Print the ids alone.
        #[arg(short, long, conflicts_with = "json")]
        quiet: bool,
        #[command(flatten)]
        target: Target,
    },
    /// Show it; with --wait once it has ended.
    #[command(visible_alias = "get")]
    Show {
        /// Its id, or its first characters, at least 8, if no other begins so.
        #[arg(value_parser = job::id)]
        id: String,
        /// Wait until it has ended.
        #[arg(long)]
        wait: bool,
        #[command(flatten)]
        target: Target,
    },
    /// End it before it is done. What was done stays.
    Stop {
        /// Its id, or its first characters, at least 8, if no other begins so.
        #[arg(value_parser = job::id)]
        id: String,
        #[command(flatten)]
        target: Target,
    },
}

/// Carries the command out.
///
/// # Errors
/// No node answered, or the cluster refused.
pub(crate) fn main(args: OperationArgs) -> anyhow::Result<ExitCode> {
    let mut out = Output::default();
    let done = match args.command {
        Command::List { n, quiet, target } => {
            let page = target.block_on(async |client| client.operations(n).await)?;
            match (quiet, target.json) {
                (true, _) => page.operations.iter().for_each(|operation| out.line(&operation.id)),
                (false, true) => out.json(&page),
                (false, false) => table(&mut out, &page.operations),
            }
            None
        }
        Command::Show { id, wait, target } => {
            let operation = target.block_on(async |client| {
                let id = resolve(client, &id).await?;
                anyhow::Ok(match wait {
                    true => many::follow(client, &id).await?,
                    false => client.operation(&id, 0).await?,
                })
            })?;
            show(&mut out, &operation, &target);
            None
        }
        Command::Stop { id, target } => {
            let operation = target.block_on(async |client| {
                anyhow::Ok(client.stop_operation(&resolve(client, &id).await?).await?)
            })?;
            show(&mut out, &operation, &target);
            Some("it is stopped")
        }
    };
    out.end(done)?;
    Ok(ExitCode::SUCCESS)
}

/// An operation's id from its first characters, as for jobs: they are few.
async fn resolve(client: &Client, given: &str) -> anyhow::Result<String> {
    if given.len() >= ID_CHARS {
        return Ok(given.to_owned());
    }
    let known = client.operations(JOBS_LISTED).await?.operations;
    let ids = known.into_iter().map(|operation| operation.id).filter(|id| id.starts_with(given)).collect();
    job::only("operation", given, ids)
}

/// Prints one.
fn show(out: &mut Output, operation: &Operation, target: &Target) {
    match target.json {
        true => out.json(operation),
        false => table(out, std::slice::from_ref(operation)),
    }
}

fn table(out: &mut Output, operations: &[Operation]) {
    let mut table =
        Table::new(["id", "action", "status", "done", "skipped", "jobs", "started", "ended"]).whole(5);
    for operation in operations {
        let [done, skipped] = [operation.done, operation.skipped].map(|jobs| jobs.to_string());
        let ended = operation.ended_at.as_deref().unwrap_or_default();
        let (action, status) = (operation.action.as_str(), operation.status.as_str());
        let jobs = jobs(operation);
        table.row([&operation.id, action, status, &done, &skipped, &jobs, &operation.started_at, ended]);
    }
    out.table(&table);
}

/// For which jobs, in the words of a list's parameters.
fn jobs(operation: &Operation) -> String {
    match (&operation.filter, operation.ids) {
        (Some(filter), _) => {
            let asked = filter.query().into_iter().map(|(name, value)| format!("{name}={value}"));
            asked.collect::<Vec<_>>().join(" ")
        }
        (None, Some(1)) => "1 id".to_owned(),
        (None, Some(ids)) => format!("{ids} ids"),
        (None, None) => String::new(),
    }
}

/// What it has done, in words.
fn summary(operation: &Operation) -> String {
    let Operation { action, status, done, skipped, .. } = operation;
    let jobs = if *done == 1 { "job" } else { "jobs" };
    let done = match status {
        OperationStatus::Running => format!("{done} {jobs} so far"),
        OperationStatus::Done => format!("{done} {jobs}"),
        OperationStatus::Stopped => format!("stopped after {done} {jobs}"),
    };
    match skipped {
        0 => format!("{}: {done}", action.as_str()),
        skipped => format!("{}: {done}, {skipped} skipped", action.as_str()),
    }
}
