use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use quorate_client::api::{Action, JobFilter, Matches, Operation, OperationRequest, OperationStatus, Status};
use quorate_client::{Client, Error};

use super::{skipped, summary};
use crate::limits::OPERATION_LOOK;
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
    /// Print ids alone: of jobs that were named theirs, of retries those of the new jobs; of all that fit, the operation's.
    #[arg(short, long, conflicts_with_all = ["json", "dry_run"])]
    pub(crate) quiet: bool,
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
            false => show(&mut out, action, &would, &request, target),
        }
        out.end(None)?;
        return Ok(ExitCode::SUCCESS);
    }
    if asks {
        let matches = target.block_on(async |client| client.dry_run(action, &request).await)?;
        if is_none(&matches) {
            // What comes to fit now, nobody was asked about.
            match target.json {
                true => out.json(&matches),
                false => out.line(format_args!("{}: {}", action.as_str(), count(&matches))),
            }
            out.end(None)?;
            return Ok(ExitCode::SUCCESS);
        }
        if !consents(action, &matches)? {
            output::remark("nothing was done");
            return Ok(ExitCode::from(exit_code::FAILED));
        }
    }
    let named = request.ids.as_deref().filter(|_| how.quiet && !how.no_wait);
    let (operation, ids, skipped) = target.block_on(async |client| {
        let before = match (action, named) {
            (Action::Retry, Some(named)) => retries(client, named).await?,
            (Action::Cancel | Action::Delete, _) | (_, None) => Vec::new(),
        };
        let started = client.start_operation(action, &request, None).await?.answer;
        let operation = if how.no_wait { started } else { follow(client, &started.id).await? };
        let ids = match named {
            Some(named) => became(client, action, named, &before).await?,
            None => vec![operation.id.clone()],
        };
        let skipped = match &request.ids {
            Some(named) if operation.skipped > 0 => skipped::reasons(client, &operation, named).await?,
            Some(_) | None => Vec::new(),
        };
        Ok::<_, Error>((operation, ids, skipped))
    })?;
    match (target.json, how.no_wait || how.quiet) {
        (true, _) => out.json(&operation),
        (false, true) => ids.iter().for_each(|id| out.line(id)),
        (false, false) => out.line(summary(&operation)),
    }
    out.end(Some(&summary(&operation)))?;
    skipped.iter().for_each(output::remark);
    let is_named = request.ids.is_some();
    Ok(ExitCode::from(code(&operation, is_named)))
}

/// 0 where all of it was done, or goes on.
fn code(operation: &Operation, is_named: bool) -> u8 {
    match operation.status {
        OperationStatus::Stopped => exit_code::FAILED,
        OperationStatus::Running | OperationStatus::Done if is_named && operation.skipped > 0 => {
            exit_code::REFUSED
        }
        OperationStatus::Running | OperationStatus::Done => 0,
    }
}

/// True where there is a person to ask.
fn is_attended() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// True where there is certainly no such job: where the count was cut off, there may be.
fn is_none(Matches { matches, more, .. }: &Matches) -> bool {
    *matches == 0 && !more
}

/// Asks whether to do it.
fn consents(action: Action, matches: &Matches) -> anyhow::Result<bool> {
    // If nobody reads it, nobody answers.
    let _ = write!(io::stderr(), "{} {} for good? [y/N] ", action.as_str(), count(matches));
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).context("cannot read an answer; --yes does it without one")?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// How many jobs, as far as they were counted.
fn count(Matches { matches, more, .. }: &Matches) -> String {
    let at_least = if *more { "at least " } else { "" };
    format!("{at_least}{matches} {}", if *matches == 1 { "job" } else { "jobs" })
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

/// The jobs that retry these and do not wait for their time: a retry leaves them as they are.
async fn retries(client: &Client, named: &[String]) -> Result<Vec<String>, Error> {
    let mut ids = Vec::new();
    for id in named {
        let Some(retry) = job::find(client, id).await?.and_then(|job| job.retry_id) else { continue };
        let retry = job::find(client, &retry).await?;
        ids.extend(retry.filter(|retry| retry.status != Status::Delayed).map(|retry| retry.id));
    }
    Ok(ids)
}

/// The ids of the jobs that were queued as those were retried, and of those that are cancelled now, or gone. `before` is what retried
/// them before.
async fn became(
    client: &Client,
    action: Action,
    named: &[String],
    before: &[String],
) -> Result<Vec<String>, Error> {
    let mut ids = Vec::new();
    for id in named {
        ids.extend(match (action, job::find(client, id).await?) {
            (Action::Retry, Some(job)) => job.retry_id.filter(|retry| !before.contains(retry)),
            (Action::Cancel, Some(job)) if job.status == Status::Cancelled => Some(job.id),
            (Action::Delete, None) => Some(id.clone()),
            (Action::Retry, None) | (Action::Cancel | Action::Delete, _) => None,
        });
    }
    Ok(ids)
}

/// How many jobs it would be, and the first of them.
async fn would(
    client: &Client,
    action: Action,
    request: &OperationRequest,
) -> Result<(Matches, job::Page), Error> {
    let matches = client.dry_run(action, request).await?;
    let mut first = job::Page { jobs: Vec::new(), cursor: None };
    for id in &matches.first {
        first.jobs.extend(job::find(client, id).await?);
    }
    Ok((matches, first))
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
    (matches, first): &(Matches, job::Page),
    request: &OperationRequest,
    target: &Target,
) {
    if !first.jobs.is_empty() {
        // Which columns there are follows from what is asked for.
        let mut filter = request.filter.clone().unwrap_or_default();
        if request.filter.is_some() && filter.status.is_empty() {
            filter.status = statuses(action).to_vec();
        }
        job::page(out, first, &filter, target);
    }
    out.line(format_args!("{}: {}; nothing was done", action.as_str(), count(matches)));
    if matches.matches > 0 {
        output::remark("to do it, say the same without --dry-run");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_where_there_is_certainly_none_nobody_is_asked() {
        let none = |matches, more| is_none(&Matches { matches, more, first: Vec::new() });
        assert!(none(0, false));
        assert!(!none(0, true) && !none(1, false));
    }

    #[test]
    fn what_was_not_done_is_no_success() {
        use OperationStatus::{Done, Running, Stopped};
        for (status, skipped, is_named, expected) in [
            (Done, 0, true, 0),
            (Done, 1, true, exit_code::REFUSED),
            (Done, 1, false, 0),
            (Running, 0, true, 0),
            (Stopped, 0, true, exit_code::FAILED),
            (Stopped, 1, false, exit_code::FAILED),
        ] {
            let operation = Operation {
                id: String::new(),
                action: Action::Retry,
                status,
                done: 1,
                skipped,
                filter: None,
                ids: None,
                started_at: String::new(),
                ended_at: None,
            };
            assert_eq!(code(&operation, is_named), expected, "{status:?}, {skipped} skipped");
        }
    }
}
