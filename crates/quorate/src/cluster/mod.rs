mod members;
mod state;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use quorate_client::api::SettingsRequest;
use quorate_core::limits::RETENTION_SECONDS;

use crate::duration::seconds;
use crate::exit_code;
use crate::output::Output;
use crate::target::Target;
use state::State;

/// Look at the cluster and its settings.
#[derive(Args)]
pub(crate) struct ClusterArgs {
    #[command(subcommand)]
    command: Command,
}

/// Show how the cluster is, and its members, as one node sees them.
///
/// Exit code 0: it takes writes; 5: it can not, since it has no majority, no leader, no room or no members yet, or no
/// node answers.
#[derive(Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    target: Target,
}

#[derive(Subcommand)]
enum Command {
    /// Show how the cluster is, and its members.
    Status(StatusArgs),
    /// Show the settings that hold for the whole cluster, or change them.
    Settings {
        /// Keep finished jobs for so long from now on.
        #[arg(long, value_name = "DURATION", value_parser = seconds(RETENTION_SECONDS))]
        retention: Option<u64>,
        #[command(flatten)]
        target: Target,
    },
}

/// Carries the command out.
///
/// # Errors
/// No node answered, or the cluster refused.
pub(crate) fn main(args: ClusterArgs) -> anyhow::Result<ExitCode> {
    let mut out = Output::default();
    let done = match args.command {
        Command::Status(args) => return status(&args),
        Command::Settings { retention, target } => {
            let settings = target.block_on(async |client| match retention {
                Some(retention) => client.put_settings(&SettingsRequest { retention }).await,
                None => client.settings().await,
            })?;
            if target.json {
                out.json(&settings);
            } else {
                let seconds = settings.retention;
                out.line(format_args!("retention  {seconds} s (finished jobs are kept that long)"));
            }
            retention.map(|_| "the settings are changed")
        }
    };
    out.end(done)?;
    Ok(ExitCode::SUCCESS)
}

/// Shows how the cluster is; the exit code says it, too.
///
/// # Errors
/// No node answered.
pub(crate) fn status(StatusArgs { target }: &StatusArgs) -> anyhow::Result<ExitCode> {
    let cluster = target.block_on(async |client| client.cluster().await)?;
    let state = State::of(&cluster);
    let mut out = Output::default();
    if target.json {
        out.json(&cluster);
    } else {
        out.line(&state);
        members::show(&mut out, &cluster);
    }
    out.end(None)?;
    Ok(if state.takes_writes() { ExitCode::SUCCESS } else { ExitCode::from(exit_code::UNAVAILABLE) })
}
