use std::process::ExitCode;

use bytes::Bytes;
use clap::Args;
use quorate_client::api::Status;
use quorate_client::{Client, Error, RefusedKind};

use super::{OneJob, prefix};
use crate::limits::LOG_EVERY_SECONDS;
use crate::output::{self, Output};
use crate::patience::Patience;

/// Print the log of a job; of one that runs, what has come of it so far.
///
/// Byte for byte; on a terminal as text, with what would steer it spelled out.
#[derive(Args)]
pub(super) struct LogArgs {
    /// Go on with what comes of it, until the job has finished. Where no node answers for a while it says so, and goes on.
    #[arg(short, long)]
    follow: bool,
    #[command(flatten)]
    job: OneJob,
}

pub(super) fn main(args: LogArgs) -> anyhow::Result<ExitCode> {
    let LogArgs { follow: follows, job: OneJob { id, target } } = args;
    let mut out = Output::default();
    target.block_on(async |client| match follows {
        true => follow(client, &id, &mut out).await,
        false => {
            out.data(&client.log(&prefix::resolve(client, &id).await?).await?);
            Ok(())
        }
    })?;
    out.end(None)?;
    Ok(ExitCode::SUCCESS)
}

/// Asks again and again, whichever node answers: a stream would end with its node. A job may end with another log.
async fn follow(client: &Client, given: &str, out: &mut Output) -> anyhow::Result<()> {
    let mut patience = Patience::new(client);
    let id = patience.outlast(async || prefix::resolve(client, given).await).await?;
    let mut printed = Bytes::new();
    let mut wait = 0;
    while out.is_seen() {
        match look(client, &id, wait).await {
            Ok((status, log)) => {
                patience.went_well();
                if let Some(more) = log.strip_prefix(&*printed) {
                    out.data(more);
                    printed = log;
                } else if !printed.starts_with(&log) {
                    output::remark("the job has ended with another log, which follows");
                    out.data(&log);
                    printed = log;
                }
                match status {
                    Status::Success | Status::Error | Status::Cancelled => return Ok(()),
                    Status::Delayed | Status::Queued | Status::Running => {}
                }
            }
            Err(error) if error.is_unavailable() && client.was_reached() => {
                patience.failed(&error);
            }
            Err(error) => return Err(error.into()),
        }
        wait = LOG_EVERY_SECONDS;
    }
    Ok(())
}

/// How the job is, once it has finished or after the time, and its log from then on: of one that has finished, all of it.
async fn look(client: &Client, id: &str, wait: u32) -> Result<(Status, Bytes), Error> {
    let status = client.outcome(id, wait, false).await?.status;
    match client.log(id).await {
        Ok(log) => Ok((status, log)),
        // Nothing has come of it.
        Err(Error::Refused(refused)) if refused.kind == RefusedKind::NotFound => Ok((status, Bytes::new())),
        Err(error) => Err(error),
    }
}
