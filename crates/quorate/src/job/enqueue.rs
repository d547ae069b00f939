use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, ensure};
use clap::Args;
use quorate_client::Client;
use quorate_client::api::{Job, NewJob};

use crate::cli::Target;
use crate::output::Output;

/// Enqueue a job, or many from a file.
///
/// With --lines every line of the input becomes the payload of one job. Jobs go out in requests of at most 1000, each
/// of them all or none.
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
    /// Makes it safe to run this command again: the same key gives the same jobs (only with a single request).
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    #[command(flatten)]
    target: Target,
}

/// Most jobs of one request.
const PER_REQUEST: usize = 1_000;
/// Payload bytes of one request, well below the longest body.
const BYTES_PER_REQUEST: usize = 4 << 20;

pub(super) fn main(args: EnqueueArgs) -> anyhow::Result<ExitCode> {
    let payloads = match (&args.lines, &args.payload_file, &args.payload) {
        (Some(lines), _, _) => read(lines)?.lines().map(str::to_owned).collect(),
        (None, Some(file), _) => vec![read(file)?],
        (None, None, payload) => vec![payload.clone().unwrap_or_default()],
    };
    let jobs: Vec<NewJob> = payloads.into_iter().map(|payload| new_job(&args, payload)).collect();
    ensure!(!jobs.is_empty(), "lines: the input is empty");
    let requests = requests(&jobs);
    ensure!(
        args.idempotency_key.is_none() || requests.len() == 1,
        "idempotency-key: these are {} requests, and a key is for one",
        requests.len()
    );
    let key = args.idempotency_key.as_deref();
    let enqueued = args.target.block_on(async |client| enqueue(client, &requests, key).await)?;
    let mut out = Output::default();
    if args.target.json {
        out.json(&enqueued);
    } else {
        for job in &enqueued {
            out.line(&job.id);
        }
    }
    let done = match enqueued.as_slice() {
        [job] => format!("the job is enqueued as {}", job.id),
        jobs => format!("{} jobs are enqueued", jobs.len()),
    };
    out.end(Some(&done))?;
    Ok(ExitCode::SUCCESS)
}

async fn enqueue(
    client: &Client,
    requests: &[&[NewJob]],
    key: Option<&str>,
) -> Result<Vec<Job>, quorate_client::Error> {
    let mut enqueued = Vec::new();
    for jobs in requests {
        enqueued.extend(client.enqueue(jobs, key).await?.answer);
    }
    Ok(enqueued)
}

fn requests(jobs: &[NewJob]) -> Vec<&[NewJob]> {
    let mut requests = Vec::new();
    let mut rest = jobs;
    while !rest.is_empty() {
        let mut bytes = 0;
        let fitting = rest
            .iter()
            .take(PER_REQUEST)
            .take_while(|job| {
                bytes += job.payload.as_ref().map_or(0, String::len);
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
    }
}
