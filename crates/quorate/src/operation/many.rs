use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use quorate_client::api::{Action, JobFilter, Matches, Operation, OperationRequest, OperationStatus, Status};
use quorate_client::{Client, Error, ListJobs};

use super::summary;
use crate::limits::{DRY_RUN_SHOWN, OPERATION_LOOK};
use crate::output::{self, Output};
use crate::target::Target;
use crate::{exit_code, job};

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

/// Which jobs.
pub(crate) enum Asked {
    /// Those of these ids, or with ids that begin so.
    Named(Vec<String>),
    /// All that fit.
    Fitting(JobFilter),
}

/// Does it to many jobs, and says to how many. A terminal is asked before, where that is wanted: for all that fit.
///
/// # Errors
/// No node answered, or the cluster refused.
pub(crate) fn main(
    action: Action,
    asked: Asked,
    details: &str,
    asks: bool,
    how: &HowArgs,
    target: &Target,
) -> anyhow::Result<ExitCode> {
    let asks = asks && matches!(asked, Asked::Fitting(_)) && is_attended();
    let details = (!details.is_empty()).then(|| details.to_owned());
    let request = match asked {
        Asked::Fitting(filter) => {
            OperationRequest { filter: Some(filter), details, ..OperationRequest::default() }
        }
        Asked::Named(given) => {
            let ids = target.block_on(async |client| {
                let mut ids = Vec::new();
                for given in &given {
                    ids.push(job::resolve(client, given).await?);
                }
                anyhow::Ok(ids)
            })?;
            OperationRequest { ids: Some(ids), details, ..OperationRequest::default() }
        }
    };
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
    if asks {
        let matches = target.block_on(async |client| client.dry_run(action, &request).await)?;
        if !consents(action, matches)? {
            output::remark("nothing was done");
            return Ok(ExitCode::from(exit_code::FAILED));
        }
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
    if request.ids.is_some() && operation.skipped > 0 {
        output::remark("what was skipped is not there, or its status does not allow it: quorate job show ID");
        return Ok(ExitCode::from(exit_code::REFUSED));
    }
    Ok(ExitCode::SUCCESS)
}

/// True where there is a person to ask.
fn is_attended() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks whether to do it; for nothing nobody needs to be asked.
fn consents(action: Action, matches: Matches) -> anyhow::Result<bool> {
    if matches.matches == 0 {
        return Ok(true);
    }
    // If nobody reads it, nobody answers.
    let _ = write!(io::stderr(), "{} {} for good? [y/N] ", action.as_str(), count(matches));
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).context("cannot read an answer; --yes does it without one")?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// How many jobs, as far as they were counted.
fn count(Matches { matches, more }: Matches) -> String {
    let at_least = if more { "at least " } else { "" };
    format!("{at_least}{matches} {}", if matches == 1 { "job" } else { "jobs" })
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
    let Some(mut filter) = request.filter.clone() else {
        return Ok((matches, job::Page { jobs: Vec::new(), cursor: None }, JobFilter::default()));
    };
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
    if !first.jobs.is_empty() {
        job::page(out, first, filter, target);
    }
    out.line(format_args!("{}: {}; nothing was done", action.as_str(), count(*matches)));
    if matches.matches > 0 {
        output::remark("to do it, say the same without --dry-run");
    }
}
