use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, ensure};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use quorate_client::api::{Job, NewJob};
use quorate_client::{Client, Error};
use quorate_core::limits::{IDEMPOTENCY_KEY_BYTES, JOBS_PER_REQUEST, PAYLOAD_BYTES};

use crate::cli::Target;
use crate::failure::Incomplete;
use crate::output::{self, Output};

/// Enqueue a job, or many from a file.
///
/// With --lines every line of the input becomes the payload of one job. Jobs go out in requests of at most 1000, each
/// of them all or none, and their ids are printed as they come. If a request fails, the same command with the key that
/// is named then completes the rest, and enqueues nothing twice.
#[derive(Args)]
pub(super) struct EnqueueArgs {
    /// What to run.
    #[arg(long)]
    image: String,
    /// The job's input [default: empty].
    #[arg(long, conflicts_with_all = ["payload_file", "lines"])]
    payload: Option<String>,
    /// Read the input from a file; `-` is standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "lines")]
    payload_file: Option<PathBuf>,
    /// Make a job of every line of a file; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    lines: Option<PathBuf>,
    /// Seconds to wait before it is queued [default: 0].
    #[arg(long, value_name = "SECONDS")]
    delay: Option<u32>,
    /// Seconds that it may run [default: 60].
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u32>,
    /// 0, 1 or 2; 2 is served first [default: 0].
    #[arg(long)]
    priority: Option<u32>,
    /// Automatic retries [default: 3].
    #[arg(long)]
    max_retries: Option<u32>,
    /// Seconds that each automatic retry waits [default: 60].
    #[arg(long, value_name = "SECONDS")]
    retries_delay: Option<u32>,
    /// Makes it safe to run this command again: within 24 hours, the same key and input give the same jobs [default:
    /// another one each time].
    #[arg(long, visible_alias = "key", value_name = "KEY")]
    idempotency_key: Option<String>,
    #[command(flatten)]
    target: Target,
}

/// Bytes of one request, well below the longest body.
const BYTES_PER_REQUEST: usize = 4 << 20;

pub(super) fn main(args: EnqueueArgs) -> anyhow::Result<ExitCode> {
    let jobs = jobs(&args)?;
    let requests = requests(&jobs);
    let key = args.idempotency_key.clone().unwrap_or_else(Client::draw_key);
    let keys = keys(&key, requests.len());
    let longest = keys.iter().map(String::len).max().unwrap_or_default();
    ensure!(longest <= IDEMPOTENCY_KEY_BYTES, "idempotency-key: too long for {} requests", requests.len());
    if requests.len() > 1 {
        // It stands there also when this process is killed.
        output::remark(format_args!(
            "{} jobs in {} requests; should they not all go through: --idempotency-key {key}",
            jobs.len(),
            requests.len()
        ));
    }

    let (mut out, progress) = (Output::default(), progress(jobs.len(), requests.len()));
    let mut enqueued: Vec<Job> = Vec::new();
    let failed = args.target.block_on(async |client| {
        for (part, key) in requests.iter().zip(&keys) {
            match client.enqueue(part, Some(key)).await {
                Ok(jobs) => {
                    if !args.target.json {
                        progress.suspend(|| jobs.answer.iter().for_each(|job| out.line(&job.id)));
                    }
                    enqueued.extend(jobs.answer);
                    progress.inc(part.len() as u64);
                }
                Err(error) => return Ok(Some((error, part.len()))),
            }
        }
        Ok(None)
    })?;
    let done = usize::try_from(progress.position()).unwrap_or(usize::MAX);
    progress.finish_and_clear();
    if args.target.json && (failed.is_none() || !enqueued.is_empty()) {
        out.json(&enqueued);
    }
    if let Some((error, part)) = failed {
        // What went wrong first counts.
        let _ = out.end(None);
        let perhaps = if matches!(error, Error::Unknown(_) | Error::Protocol(_)) { part } else { 0 };
        let error = anyhow::Error::new(error);
        return Err(match done + perhaps {
            0 => error,
            _ => error.context(Incomplete { done, perhaps, of: jobs.len(), key }),
        });
    }
    let done = match enqueued.as_slice() {
        [job] => format!("the job is enqueued as {}", job.id),
        _ => format!("{done} jobs are enqueued (again with --idempotency-key {key} prints their ids)"),
    };
    out.end(Some(&done))?;
    Ok(ExitCode::SUCCESS)
}

/// The jobs, with payloads that are not too long. What else could be wrong is wrong with the first request, too.
fn jobs(args: &EnqueueArgs) -> anyhow::Result<Vec<NewJob>> {
    let payloads = match (&args.lines, &args.payload_file, &args.payload) {
        (Some(lines), _, _) => read(lines)?.lines().map(str::to_owned).collect(),
        (None, Some(file), _) => vec![read(file)?],
        (None, None, payload) => vec![payload.clone().unwrap_or_default()],
    };
    ensure!(!payloads.is_empty(), "lines: the input is empty");
    for (position, payload) in payloads.iter().enumerate() {
        let bytes = payload.len();
        let which =
            if args.lines.is_some() { format!("line {}", position + 1) } else { "payload".to_owned() };
        ensure!(
            bytes <= PAYLOAD_BYTES,
            "{which}: {bytes} bytes are more than {PAYLOAD_BYTES}; nothing is enqueued"
        );
    }
    Ok(payloads.into_iter().map(|payload| new_job(args, payload)).collect())
}

/// A key for each request. The node refuses a key that comes with another body.
fn keys(key: &str, requests: usize) -> Vec<String> {
    match requests {
        1 => vec![key.to_owned()],
        requests => (1..=requests).map(|number| format!("{key}.{number}")).collect(),
    }
}

fn progress(jobs: usize, requests: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {pos} of {len} jobs {wide_bar}");
    let bar = ProgressBar::new(jobs as u64).with_style(style.expect("a template of known fields"));
    if requests == 1 {
        bar.set_draw_target(indicatif::ProgressDrawTarget::hidden());
    }
    bar
}

/// What fits into one request each, always the same for the same jobs.
fn requests(jobs: &[NewJob]) -> Vec<&[NewJob]> {
    let mut requests = Vec::new();
    let mut rest = jobs;
    while !rest.is_empty() {
        let mut bytes = 0;
        let fitting = rest
            .iter()
            .take(JOBS_PER_REQUEST)
            .take_while(|job| {
                bytes += serde_json::to_vec(job).map_or(0, |job| job.len());
                bytes <= BYTES_PER_REQUEST
            })
            .count();
        let (request, others) = rest.split_at(fitting.max(1));
        requests.push(request);
        rest = others;
    }
    requests
}

fn new_job(args: &EnqueueArgs, payload: String) -> NewJob {
    NewJob {
        image: args.image.clone(),
        payload: Some(payload),
        delay: args.delay,
        timeout: args.timeout,
        priority: args.priority,
        max_retries: args.max_retries,
        retries_delay: args.retries_delay,
    }
}

fn read(path: &PathBuf) -> anyhow::Result<String> {
    let mut text = String::new();
    if path.as_os_str() == "-" {
        std::io::stdin().read_to_string(&mut text).context("standard input is not UTF-8 text")?;
    } else {
        text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_jobs_are_split_by_count_and_by_size() {
        let job = |bytes: usize| NewJob { payload: Some("x".repeat(bytes)), ..NewJob::default() };
        let sizes = |jobs: &[NewJob]| requests(jobs).iter().map(|request| request.len()).collect::<Vec<_>>();
        assert_eq!(sizes(&vec![job(1); 2_001]), [1_000, 1_000, 1]);
        assert_eq!(sizes(&vec![job(3 << 20); 2]), [1, 1]);
        assert_eq!(sizes(&[job(9 << 20), job(1)]), [1, 1]);
        assert_eq!(sizes(&[]), [0; 0]);
        // As long as they are in JSON.
        let spelled = NewJob { payload: Some("\u{1}".repeat(1 << 20)), ..NewJob::default() };
        assert_eq!(sizes(&vec![spelled; 3]), [1, 1, 1]);
    }
}
