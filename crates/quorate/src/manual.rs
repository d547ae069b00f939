use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Command};

use crate::output::Output;

/// Write the man pages, one for each command.
#[derive(Args)]
#[command(after_help = "Example, for all users of this machine:
  sudo quorate man /usr/local/share/man/man1 && man quorate-job-enqueue")]
pub(crate) struct ManArgs {
    /// Where to; made if it is not there, with its parents.
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

/// Writes those of the program's command line, and says how many and where.
///
/// # Errors
/// The directory cannot be written.
pub(crate) fn main(args: &ManArgs, program: Command) -> anyhow::Result<ExitCode> {
    let dir = args.dir.display();
    let is_new = !args.dir.exists();
    // Without the pages of `help`, as `generate_to` leaves them out.
    let mut command = program.disable_help_subcommand(true);
    command.build();
    std::fs::create_dir_all(&args.dir)
        .and_then(|()| clap_mangen::generate_to(command.clone(), &args.dir))
        .with_context(|| format!("cannot write man pages to {dir}"))?;
    let (pages, made) = (pages(&command), if is_new { ", which was made" } else { "" });
    let done = format!("{pages} man pages are written to {dir}{made}");
    let mut out = Output::default();
    out.line(&done);
    out.end(Some(&done))?;
    Ok(ExitCode::SUCCESS)
}

/// The command's page, and those of its subcommands.
fn pages(command: &Command) -> usize {
    1 + command.get_subcommands().filter(|command| !command.is_hide_set()).map(pages).sum::<usize>()
}
