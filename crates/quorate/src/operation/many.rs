use std::process::ExitCode;

use clap::Args;
use quorate_client::api::{Action, JobFilter, Matches, Operation, OperationRequest, OperationStatus, Status};
use quorate_client::{Client, Error, ListJobs};

use super::summary;
use crate::job;
use crate::limits::{DRY_RUN_SHOWN, OPERATION_LOOK};
use crate::output::{self, Output};
use crate::target::Target;

/// How work on many jobs is begun.
#[derive(Args)]
pub(crate) struct HowArgs {
    /// Do nothing, and show how many jobs it would be, and the first of them.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print the operation's id, and do not wait until it has ended.
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) no_wait: bool,
}

/// Does it to all jobs that fit, and says to how many.
///
/// # Errors
/// No node answered, or the cluster refused.
pub(crate) fn main(
    action: Action,
    filter: JobFilter,
    details: &str,
    how: &HowArgs,
    target: &Target,
) -> anyhow::Result<ExitCode> {
    let details = (!details.is_empty()).then(|| details.to_owned());
    let request = OperationRequest { filter: Some(filter), details, ..OperationRequest::default() };
    let mut out = Output::default();
    if how.dry_run {
        let would = target.block_on(async |client| would(client, action, &request).await)?;
        match target.json {
            true => out.json(&would.0),
            false => show(&mut out, action, &would, target),
        }
        out.end(None)?;
        return Ok(ExitCode::SUCCESS);
    }
    let operation = target.block_on(async |client| {
        let started = client.start_operation(action, &request, None).await?.answer;
        if how.no_wait { Ok(started) } else { follow(client, &started.id).await }
    })?;
    match (target.json, how.no_wait) {
        (true, _) => out.json(&operation),
        (false, true) => out.line(&operation.id),
        (false, false) => out.line(summary(&operation)),
    }
    out.end(Some(&summary(&operation)))?;
    Ok(ExitCode::SUCCESS)
}

/// Waits until it has ended, and tells a person how far it has come.
///
/// # Errors
/// No node answered, or it is not known.
pub(super) async fn follow(client: &Client, id: &str) -> Result<Operation, Error> {
    let mut is_first = true;
    loop {
        let operation = client.operation(id, OPERATION_LOOK).await?;
        if operation.status != OperationStatus::Running {
            return Ok(operation);
        }
        if std::mem::take(&mut is_first) {
            output::remark(format_args!(
                "it goes on without this command, too; to end it: quorate operation stop {id}"
            ));
        }
        output::remark(summary(&operation));
    }
}

/// How many jobs it would be, the first of them, and which it asked for.
async fn would(
    client: &Client,
    action: Action,
    request: &OperationRequest,
) -> Result<(Matches, job::Page, JobFilter), Error> {
    let matches = client.dry_run(action, request).await?;
    let mut filter = request.filter.clone().unwrap_or_default();
    if filter.status.is_empty() {
        filter.status = statuses(action).to_vec();
    }
    let list = ListJobs { n: Some(DRY_RUN_SHOWN), cursor: None, oldest_first: true, filter };
    let mut first = client.list_without_payloads(&list).await?;
    first.cursor = None;
    Ok((matches, first, list.filter))
}

/// Those of the jobs that it is for where none is named.
fn statuses(action: Action) -> &'static [Status] {
    match action {
        Action::Retry => &[Status::Error],
        Action::Cancel => &[Status::Delayed, Status::Queued, Status::Running],
        Action::Delete => &[Status::Success, Status::Error, Status::Cancelled],
    }
}

fn show(
    out: &mut Output,
    action: Action,
    (matches, first, filter): &(Matches, job::Page, JobFilter),
    target: &Target,
) {
    let Matches { matches: n, more } = matches;
    let (at_least, jobs) = (if *more { "at least " } else { "" }, if *n == 1 { "job" } else { "jobs" });
    if *n > 0 {
        job::page(out, first, filter, target);
    }
    out.line(format_args!("{}: {at_least}{n} {jobs}; nothing was done", action.as_str()));
    if *n > 0 {
        output::remark("to do it, say the same without --dry-run");
    }
}
