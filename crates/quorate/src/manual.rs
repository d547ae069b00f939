use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, CommandFactory};

use crate::cli::Cli;

/// Write the man pages, one for each command.
#[derive(Args)]
#[command(after_help = "Example, for all users of this machine:
  sudo quorate man /usr/local/share/man/man1 && man quorate-job-enqueue")]
pub(crate) struct ManArgs {
    /// Where to; made if it is not there.
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

/// Writes them.
///
/// # Errors
/// The directory cannot be written.
pub(crate) fn main(args: &ManArgs) -> anyhow::Result<ExitCode> {
    let written = std::fs::create_dir_all(&args.dir)
        .and_then(|()| clap_mangen::generate_to(Cli::command().disable_help_subcommand(true), &args.dir));
    written.with_context(|| format!("cannot write man pages to {}", args.dir.display()))?;
    Ok(ExitCode::SUCCESS)
}
