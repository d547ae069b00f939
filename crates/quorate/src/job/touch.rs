use std::process::ExitCode;

use clap::Args;
use quorate_client::api::Progress;
use quorate_core::limits::PROGRESS_BYTES;

use super::{OneJob, prefix};
use crate::number::number;
use crate::output::Output;

/// Give a running job its whole timeout again, from now, and say how far it has come.
#[derive(Args)]
pub(super) struct TouchArgs {
    /// How far it has come, in per cent, 0 to 100 [default: as far as was said before].
    #[arg(long, value_name = "PERCENT", value_parser = number::<u32>(0..=100))]
    progress: Option<u32>,
    /// With --progress, the same in words.
    #[arg(long, requires = "progress", default_value = "", value_parser = words)]
    text: String,
    #[command(flatten)]
    job: OneJob,
}

/// # Errors
/// They are too long.
fn words(given: &str) -> Result<String, String> {
    match given.len() {
        0..=PROGRESS_BYTES => Ok(given.to_owned()),
        _ => Err(format!("it must have at most {PROGRESS_BYTES} bytes")),
    }
}

pub(super) fn main(args: TouchArgs) -> anyhow::Result<ExitCode> {
    let TouchArgs { progress, text, job: OneJob { id, target } } = args;
    let id = target.block_on(async |client| {
        let id = prefix::resolve(client, &id).await?;
        match progress {
            Some(percent) => client.touch_with_progress(&id, Progress { percent, text }).await?,
            None => client.touch(&id).await?,
        }
        anyhow::Ok(id)
    })?;
    let mut out = Output::default();
    if target.json {
        out.json(&serde_json::json!({ "touched": id }));
    } else {
        out.line(format_args!("touched {id}"));
    }
    out.end(Some("the job is touched"))?;
    Ok(ExitCode::SUCCESS)
}
