use std::process::ExitCode;

use clap::Args;
use quorate_client::ListWorkers;
use quorate_client::api::{Worker, WorkersWrapper};

use crate::limits::WORKER_JOBS_NAMED;
use crate::names::NamesArgs;
use crate::output::{self, Output, Table};

/// List the workers that said their names and hold jobs, by name.
///
/// On a terminal the table fits it; in a pipe it is plain columns, with nothing cut.
#[derive(Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    page: NamesArgs,
}

pub(super) fn main(args: ListArgs) -> anyhow::Result<ExitCode> {
    let NamesArgs { n, cursor, quiet, target } = args.page;
    let list = ListWorkers { n: Some(n), cursor };
    let page = target.block_on(async |client| client.workers(&list).await)?;
    let mut out = Output::default();
    match (quiet, target.json) {
        (true, _) => page.workers.iter().for_each(|worker| out.line(&worker.name)),
        (false, true) => out.json(&page),
        (false, false) => print(&mut out, &page),
    }
    out.end(None)?;
    Ok(ExitCode::SUCCESS)
}

fn print(out: &mut Output, page: &WorkersWrapper) {
    let mut table = Table::new(["name", "holds", "heard", "jobs"]).whole(1);
    for worker in &page.workers {
        table.row([&worker.name, &worker.holds.to_string(), &worker.heard_at, &jobs(worker)]);
    }
    out.table(&table);
    if let Some(cursor) = &page.cursor {
        output::remark(format_args!("more: --cursor {cursor}"));
    }
}

/// The first of them.
fn jobs(worker: &Worker) -> String {
    let named: Vec<&str> = worker.jobs.iter().take(WORKER_JOBS_NAMED).map(String::as_str).collect();
    let more = if worker.holds > named.len() as u64 { " …" } else { "" };
    format!("{}{more}", named.join(" "))
}
