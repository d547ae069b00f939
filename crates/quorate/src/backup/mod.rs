mod summary;
mod target_file;

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use quorate_client::{Client, api};
use quorate_node::{BackupCheck, BackupError, BackupSummary};

use crate::limits::BACKUP_READ_BYTES;
use crate::output::{self, Output};
use crate::target::Target;
pub(crate) use summary::shown;
use target_file::TargetFile;

/// Back up all jobs of a running cluster, or look at a backup.
///
/// A backup has all jobs, queues, settings and keys as they are at one place of the log: everything that was acknowledged before the
/// command began. It comes from one node, while the cluster goes on. `quorate restore` makes a new cluster of it.
#[derive(Args)]
#[command(subcommand_negates_reqs = true, after_help = EXAMPLES)]
pub(crate) struct BackupArgs {
    #[command(subcommand)]
    command: Option<Command>,
    /// Where to write it; `-` is standard output. The file is there once it is whole, and on disk.
    #[arg(value_name = "FILE", required = true)]
    file: Option<PathBuf>,
    /// Replace a file that is there.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    target: Target,
}

const EXAMPLES: &str = "Examples:
  quorate backup jobs.backup --nodes host1:8080,host2:8080,host3:8080
  quorate backup - | ssh elsewhere 'cat > jobs.backup'
  quorate backup verify jobs.backup";

#[derive(Subcommand)]
enum Command {
    /// Read a whole backup, and say what it is. Exit code 1: it is none, or not whole.
    Verify {
        /// The backup; `-` is standard input.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Print JSON, for machines.
        #[arg(long)]
        json: bool,
    },
}

/// Makes a backup, or verifies one.
///
/// # Errors
/// No node answered, the backup is not whole, or it cannot be written.
pub(crate) fn main(args: &BackupArgs) -> anyhow::Result<ExitCode> {
    let mut out = Output::default();
    match (&args.command, &args.file) {
        (Some(Command::Verify { file, json }), _) => {
            let summary = verify(file).with_context(|| file.display().to_string())?;
            shown(&mut out, &summary, *json);
        }
        (None, Some(file)) if file == Path::new("-") => {
            let summary = to_stdout(&args.target)?;
            output::remark(format_args!("backed up: {}", summary::in_short(&summary)));
        }
        (None, Some(file)) => {
            let summary = to_file(file, args)?;
            shown(&mut out, &summary, args.target.json);
        }
        (None, None) => bail!("FILE is missing"),
    }
    out.end(None)?;
    Ok(ExitCode::SUCCESS)
}

fn to_file(path: &Path, args: &BackupArgs) -> anyhow::Result<BackupSummary> {
    let mut file = TargetFile::begin(path, args.force)?;
    let summary = args.target.block_on(async |client| take(client, &mut |piece| file.write(piece)).await)?;
    file.complete()?;
    Ok(summary)
}

fn to_stdout(target: &Target) -> anyhow::Result<BackupSummary> {
    let mut stdout = io::stdout().lock();
    if stdout.is_terminal() {
        bail!("a backup is no text: send standard output into a file or a pipe");
    }
    let unwritten = |error| output::unwritten(error, None);
    let summary = target.block_on(async |client| {
        take(client, &mut |piece| stdout.write_all(piece).map_err(unwritten)).await
    })?;
    stdout.flush().map_err(unwritten)?;
    Ok(summary)
}

/// Takes a backup from a node, and reads it as it comes: what arrives broken is no backup.
async fn take(
    client: &Client,
    write: &mut dyn FnMut(&[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<BackupSummary> {
    let mut download = client.backup().await?;
    let (mut check, bar) = (BackupCheck::default(), progress());
    while let Some(piece) = download.chunk().await? {
        check.push(&piece)?;
        write(&piece)?;
        tell(&bar, check.progress());
    }
    bar.finish_and_clear();
    let summary = check.end()?;
    Ok(summary)
}

fn verify(path: &Path) -> Result<BackupSummary, BackupError> {
    let mut source: Box<dyn io::Read> = match path == Path::new("-") {
        true => Box::new(io::stdin().lock()),
        false => Box::new(std::fs::File::open(path).map_err(BackupError::Read)?),
    };
    let (mut check, bar) = (BackupCheck::default(), progress());
    let mut buffer = vec![0; BACKUP_READ_BYTES];
    loop {
        match source.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => check.push(buffer.get(..read).unwrap_or_default())?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(BackupError::Read(error)),
        }
        tell(&bar, check.progress());
    }
    bar.finish_and_clear();
    check.end()
}

/// On a terminal.
pub(crate) fn progress() -> ProgressBar {
    ProgressBar::no_length().with_style(style("{spinner} {msg}")).with_message("waiting for the first jobs")
}

/// Says how many jobs have come of all, once there are any.
pub(crate) fn tell(bar: &ProgressBar, (come, all): (u64, Option<u64>)) {
    let Some(all) = all.filter(|all| *all > 0) else { return };
    if bar.length() != Some(all) {
        bar.set_length(all);
        bar.set_style(style("{spinner} jobs: {pos} of {len} {wide_bar}"));
    }
    bar.set_position(come);
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("a template of known fields")
}

/// The words of the API for statuses, in the core's order.
fn statuses() -> impl Iterator<Item = &'static str> {
    quorate_core::Status::ALL.into_iter().map(|status| match status {
        quorate_core::Status::Delayed => api::Status::Delayed.as_str(),
        quorate_core::Status::Queued => api::Status::Queued.as_str(),
        quorate_core::Status::Running => api::Status::Running.as_str(),
        quorate_core::Status::Success => api::Status::Success.as_str(),
        quorate_core::Status::Error => api::Status::Error.as_str(),
        quorate_core::Status::Cancelled => api::Status::Cancelled.as_str(),
    })
}
