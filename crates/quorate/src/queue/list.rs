use std::process::ExitCode;

use clap::Args;
use quorate_client::ListQueues;

use super::show;
use crate::names::NamesArgs;
use crate::output::Output;

/// List the queues, by name.
///
/// On a terminal the table fits it; in a pipe it is plain columns, with nothing cut.
#[derive(Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    page: NamesArgs,
}

pub(super) fn main(args: ListArgs) -> anyhow::Result<ExitCode> {
    let NamesArgs { n, cursor, quiet, target } = args.page;
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
