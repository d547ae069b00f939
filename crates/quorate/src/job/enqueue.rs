use std::process::ExitCode;

use anyhow::ensure;
use clap::builder::ArgPredicate;
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use quorate_client::api::{Job, NewJob, UniqueUntil};
use quorate_client::{Client, Error, Refused, RefusedKind};
use quorate_core::limits::{
    DELAY_SECONDS, IDEMPOTENCY_KEY_BYTES, IMAGE_NAME_BYTES, JOB_KEY_BYTES, JOBS_PER_REQUEST, MAX_RETRIES,
    PRIORITY, RETRIES_DELAY_SECONDS, TIMEOUT_SECONDS, UNIQUE_KEY_BYTES, UNIQUE_SECONDS,
};

use super::incomplete::{Fate, Incomplete};
use super::input::InputArgs;
use super::tags::{check_tags, tag};
use crate::duration::seconds;
use crate::limits::BYTES_PER_REQUEST;
use crate::number::{form, number};
use crate::output::{self, Output};
use crate::queue;
use crate::target::Target;
use crate::wrong_usage::wrong_usage;

/// Enqueue a job, or many from a file, and print their ids.
///
/// It is repeated, at one node after the other, under an Idempotency-Key: nothing is enqueued twice.
///
/// With --lines every line of the input becomes the payload of one job. Jobs go out in requests of at most 1000, each
/// of them all or none, and their ids are printed as they come. If a request fails, the same command with the key that
/// is named then completes the rest, and enqueues nothing twice. Unless --deadline says otherwise, each of them may take 30s: where the
/// caller has a rate, a request may have to wait for the jobs of the one before.
#[derive(Args)]
#[command(mut_arg("deadline", |arg| arg.default_value_if("lines", ArgPredicate::IsPresent, "30s")))]
pub(super) struct EnqueueArgs {
    /// What to run.
    #[arg(long, value_parser = image)]
    image: String,
    /// The queue to wait in, which is made where there is none [default: default].
    #[arg(long, value_name = "NAME", value_parser = queue::name)]
    queue: Option<String>,
    /// Whose it is, such as a customer's id: of the jobs that wait in a queue, those of different keys take turns [default: none].
    #[arg(long, value_name = "KEY", value_parser = job_key)]
    key: Option<String>,
    /// What lists find it by, such as batch:7; up to 8 of them, each with a --tag of its own.
    #[arg(long = "tag", value_name = "TAG", value_parser = tag)]
    tags: Vec<String>,
    /// Where a job of the queue keeps others of this key away, print that one and enqueue nothing [default: none].
    #[arg(long, value_name = "KEY", value_parser = unique_key)]
    unique_key: Option<String>,
    /// With --unique-key, until when it keeps others away: until a consumer has it, or until it and its automatic retries have
    /// finished [default: finished].
    #[arg(long, value_enum, requires = "unique_key", conflicts_with = "unique_for")]
    unique_until: Option<UntilArg>,
    /// With --unique-key, for how long it keeps others away, whatever becomes of it; up to a week.
    #[arg(long, value_name = "DURATION", requires = "unique_key", value_parser = seconds(1..=UNIQUE_SECONDS))]
    unique_for: Option<u32>,
    #[command(flatten)]
    input: InputArgs,
    /// How long to wait before it is queued [default: 0].
    #[arg(long, value_name = "DURATION", value_parser = seconds(0..=DELAY_SECONDS))]
    delay: Option<u32>,
    /// How long it may run [default: the queue's, else 60s].
    #[arg(long, value_name = "DURATION", value_parser = seconds(1..=TIMEOUT_SECONDS))]
    timeout: Option<u32>,
    /// 0, 1 or 2; 2 is served first [default: 0].
    #[arg(long, value_parser = number::<u32>(0..=PRIORITY))]
    priority: Option<u32>,
    /// Automatic retries, 0 to 25 [default: the queue's, else 3].
    #[arg(long, value_parser = number::<u32>(0..=MAX_RETRIES))]
    max_retries: Option<u32>,
    /// How long each automatic retry waits, but for the queue's back-off [default: the queue's, else 60s].
    #[arg(long, value_name = "DURATION", value_parser = seconds(0..=RETRIES_DELAY_SECONDS))]
    retries_delay: Option<u32>,
    /// Makes it safe to run this command again: within 24 hours, the same key and input give the same jobs [default:
    /// another one each time].
    #[arg(long, value_name = "KEY", value_parser = idempotency_key)]
    idempotency_key: Option<String>,
    /// Print ids alone, and nothing else unless it fails.
    #[arg(short, long, conflicts_with = "json")]
    quiet: bool,
    #[command(flatten)]
    target: Target,
}

#[derive(Clone, Copy, ValueEnum)]
enum UntilArg {
    Started,
    Finished,
}

impl From<UntilArg> for UniqueUntil {
    fn from(until: UntilArg) -> UniqueUntil {
        match until {
            UntilArg::Started => UniqueUntil::Started,
            UntilArg::Finished => UniqueUntil::Finished,
        }
    }
}

/// An image's name; for `value_parser`.
///
/// # Errors
/// It can be none.
pub(super) fn image(given: &str) -> Result<String, String> {
    match given.len() {
        1..=IMAGE_NAME_BYTES => Ok(given.to_owned()),
        _ => Err(format!("it must be a name of 1 to {IMAGE_NAME_BYTES} bytes")),
    }
}

/// # Errors
/// It can be no job's key.
fn job_key(given: &str) -> Result<String, String> {
    match given.len() {
        1..=JOB_KEY_BYTES => Ok(given.to_owned()),
        _ => Err(format!("it must have 1 to {JOB_KEY_BYTES} bytes")),
    }
}

/// # Errors
/// It can be no key of a unique job.
fn unique_key(given: &str) -> Result<String, String> {
    match given.len() {
        1..=UNIQUE_KEY_BYTES => Ok(given.to_owned()),
        _ => Err(format!("it must have 1 to {UNIQUE_KEY_BYTES} bytes")),
    }
}

/// # Errors
/// It can be no Idempotency-Key.
fn idempotency_key(given: &str) -> Result<String, String> {
    match !given.is_empty() && given.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(given.to_owned()),
        false => Err("it must be ASCII characters without spaces".into()),
    }
}

pub(super) fn main(args: EnqueueArgs) -> anyhow::Result<ExitCode> {
    check_tags(&args.tags)?;
    let jobs: Vec<NewJob> =
        args.input.payloads()?.into_iter().map(|payload| new_job(&args, payload)).collect();
    let requests = requests(&jobs);
    let key = args.idempotency_key.clone().unwrap_or_else(Client::draw_key);
    let keys = keys(&key, args.input.is_lines(), requests.len());
    let longest = keys.iter().map(String::len).max().unwrap_or_default();
    ensure!(
        longest <= IDEMPOTENCY_KEY_BYTES,
        wrong_usage(format!(
            "idempotency-key: it is too long, {longest} of at most {IDEMPOTENCY_KEY_BYTES} characters with the numbers of the requests"
        ))
    );
    if requests.len() > 1 && !args.quiet {
        // It stands there also when this process is killed.
        output::remark(format_args!(
            "{} jobs in {} requests; should they not all go through: --idempotency-key {key}",
            jobs.len(),
            requests.len()
        ));
    }

    let (mut out, progress) = (Output::default(), progress(jobs.len(), requests.len(), args.quiet));
    let mut enqueued: Vec<Job> = Vec::new();
    let (mut done, mut earlier, mut gone) = (0, 0, 0);
    let failed = args.target.block_on(async |client| {
        for (part, key) in requests.iter().zip(&keys) {
            match client.enqueue(part, Some(key)).await {
                Ok(jobs) => {
                    if !args.target.json {
                        progress.suspend(|| jobs.answer.iter().for_each(|job| out.line(&job.id)));
                    }
                    done += part.len();
                    gone += part.len().saturating_sub(jobs.answer.len());
                    earlier += if jobs.replayed { part.len() } else { 0 };
                    enqueued.extend(jobs.answer);
                    progress.inc(part.len() as u64);
                }
                Err(error) => return Ok(Some((error, part.len()))),
            }
        }
        Ok::<_, Error>(None)
    })?;
    progress.finish_and_clear();
    if args.target.json && (failed.is_none() || !enqueued.is_empty()) {
        out.json(&enqueued);
    }
    if let Some((error, part)) = failed {
        // What went wrong first counts.
        let _ = out.end(None);
        let (fate, of) = (Fate::from(&error), jobs.len());
        let incomplete = Incomplete { done, earlier, part, fate, of, key };
        return Err(incomplete.explain(error));
    }
    if gone > 0 {
        let _ = out.end(None);
        return Err(no_longer_there(gone, jobs.len()).into());
    }
    let there = enqueued.iter().filter(|job| job.duplicate).count();
    if there > 0 && !args.quiet {
        output::remark(already_there(there, enqueued.len()));
    }
    let done = match enqueued.as_slice() {
        [job] if job.duplicate => format!("the job was there already as {}", job.id),
        [job] => format!("the job is enqueued as {}", job.id),
        _ => format!("{done} jobs are enqueued (again with --idempotency-key {key} prints their ids)"),
    };
    if output::goes_nowhere() {
        // Somebody has closed it, and the ids are what they would look for.
        output::remark(format_args!("standard output is closed: {done}"));
    }
    out.end(Some(&done))?;
    Ok(ExitCode::SUCCESS)
}

/// Jobs of the same unique key kept these away.
fn already_there(there: usize, of: usize) -> String {
    match of {
        1 => "a job of this key was there already, and nothing is enqueued".to_owned(),
        _ => format!(
            "{there} of {of} jobs {}, by {} key, and {} not enqueued",
            form(there, "was there already", "were there already"),
            form(there, "its", "their"),
            form(there, "is", "are")
        ),
    }
}

/// An earlier run under the same key has enqueued these, and they have been deleted since.
fn no_longer_there(gone: usize, of: usize) -> Error {
    let message = match of {
        1 => "the job was enqueued before under this key, and is no longer there; nothing is enqueued now"
            .to_owned(),
        _ => format!(
            "{gone} of {of} jobs {} enqueued before under this key, and {} no longer there: the ids are those of the \
             others, fewer than lines",
            form(gone, "was", "were"),
            form(gone, "is", "are")
        ),
    };
    Error::Refused(Refused { kind: RefusedKind::NotFound, status: 404, message, fields: None })
}

/// A key for each request: of lines a numbered one, also where they are few, so that other lines under the same key are seen
/// to be others. The node refuses a key that comes with another body.
fn keys(key: &str, is_lines: bool, requests: usize) -> Vec<String> {
    match is_lines {
        false => vec![key.to_owned()],
        true => (1..=requests).map(|number| format!("{key}.{number}")).collect(),
    }
}

fn progress(jobs: usize, requests: usize, quiet: bool) -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {pos} of {len} jobs {wide_bar}");
    let bar = ProgressBar::new(jobs as u64).with_style(style.expect("a template of known fields"));
    if requests == 1 || quiet {
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
        queue: args.queue.clone(),
        key: args.key.clone(),
        tags: (!args.tags.is_empty()).then(|| args.tags.clone()),
        payload: Some(payload),
        delay: args.delay,
        timeout: args.timeout,
        priority: args.priority,
        max_retries: args.max_retries,
        retries_delay: args.retries_delay,
        unique_key: args.unique_key.clone(),
        unique_until: args.unique_until.map(UniqueUntil::from),
        unique_for: args.unique_for,
    }
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches;

    use super::*;

    #[test]
    fn requests_of_many_have_as_long_as_those_of_the_library() {
        let deadline = |args: &[&str]| {
            let command = EnqueueArgs::augment_args(clap::Command::new("enqueue").no_binary_name(true));
            let given = command.try_get_matches_from([&["--image", "a"], args].concat()).unwrap();
            EnqueueArgs::from_arg_matches(&given).unwrap().target.deadline.0
        };
        assert_eq!(deadline(&["--lines", "-"]), quorate_client::ClientConfig::new(["n"]).deadline);
        assert_eq!(deadline(&["--lines", "-", "--deadline", "1s"]).as_secs(), 1);
        assert_eq!(deadline(&[]).as_secs(), 10);
    }

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
