mod gone;
mod list;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use quorate_client::Error;
use quorate_core::limits::WORKER_NAME_BYTES;

use crate::hint::Hint;
use crate::output::{self, Output};
use crate::target::Target;

/// Look at the workers that hold jobs, and give back what one holds that is gone.
#[derive(Args)]
pub(crate) struct WorkerArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    #[command(visible_alias = "ls")]
    List(list::ListArgs),
    /// Give back what a worker holds that is no more, and print the ids of the new jobs.
    ///
    /// Each of its jobs is cancelled, and a new one goes on from it, which is no attempt of it. A worker that is still there loses
    /// them all the same.
    Gone {
        /// The worker's name.
        #[arg(value_parser = name)]
        name: String,
        #[command(flatten)]
        target: Target,
    },
}

/// A worker's name; for `value_parser`.
///
/// # Errors
/// It can be none.
pub(crate) fn name(given: &str) -> Result<String, String> {
    match given.len() {
        _ if matches!(given, "." | "..") => Err("it must be another name: a URL cannot have it".into()),
        1..=WORKER_NAME_BYTES => Ok(given.to_owned()),
        _ => Err(format!("it must have 1 to {WORKER_NAME_BYTES} bytes")),
    }
}

/// Carries the command out.
///
/// # Errors
/// No node answered, or the cluster refused.
pub(crate) fn main(args: WorkerArgs) -> anyhow::Result<ExitCode> {
    let (name, target) = match args.command {
        Command::List(args) => return list::main(args),
        Command::Gone { name, target } => (name, target),
    };
    let mut jobs = Vec::new();
    let given_back = target.block_on(async |client| gone::give_back(client, &name, &mut jobs).await);
    if jobs.is_empty() && given_back.is_err() {
        return given_back.map(|()| ExitCode::SUCCESS);
    }
    let given_back = given_back.map_err(|error| match error.is::<Error>() {
        true => error.context(Hint("These were given back, and some may be left: say it again.".to_owned())),
        false => error,
    });
    let mut out = Output::default();
    match target.json {
        true => out.json(&jobs),
        false => jobs.iter().for_each(|job| out.line(&job.id)),
    }
    if jobs.is_empty() {
        output::remark(format_args!(
            "nothing was given back of the name {name}; `quorate worker list` says who holds jobs"
        ));
    }
    let ended = out.end(Some("the worker's jobs are given back"));
    given_back.and(ended).map(|()| ExitCode::SUCCESS)
}
