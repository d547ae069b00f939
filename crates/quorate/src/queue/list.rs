use std::process::ExitCode;

use clap::Args;
use quorate_client::ListQueues;

use super::show;
use crate::limits::JOBS_LISTED;
use crate::number::number;
use crate::output::Output;
use crate::target::Target;

/// List the queues, by name.
///
/// On a terminal the table fits it; in a pipe it is plain columns, with nothing cut.
#[derive(Args)]
pub(super) struct ListArgs {
    /// At most so many, 1 to 1000.
    #[arg(short, long, default_value_t = 100, value_parser = number::<u32>(1..=JOBS_LISTED))]
    n: u32,
    /// Where the list before ended.
    #[arg(long)]
    cursor: Option<String>,
    /// Print names alone, one a line.
    #[arg(short, long, conflicts_with = "json")]
    quiet: bool,
    #[command(flatten)]
    target: Target,
}

pub(super) fn main(args: ListArgs) -> anyhow::Result<ExitCode> {
    let ListArgs { n, cursor, quiet, target } = args;
    let list = ListQueues { n: Some(n), cursor };
    let page = target.block_on(async |client| client.queues(&list).await)?;
    let mut out = Output::default();
    match quiet {
        true => page.queues.iter().for_each(|queue| out.line(&queue.name)),
        false => show::page(&mut out, &page, &target),
    }
    out.end(None)?;
    Ok(ExitCode::SUCCESS)
}
