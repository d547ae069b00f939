mod check;
mod runners;
mod work;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use quorate_client::api::NewJob;
use quorate_client::{Client, ClientConfig};

use crate::dev::LocalCluster;
use crate::dev::wait_until_ready;
use crate::limits::FIRST_PORT;
use crate::logging;
use crate::number::{counted, form, number};
use crate::output::Output;
use crate::runtime;

use runners::Runners;
use work::{Programs, Work};

/// Show it all: three nodes, real jobs, a killed leader, and a summary of what became of the jobs.
///
/// Three node processes with RocksDB on disk; jobs that count the words and hash the text of real files, enqueued through
/// every node; two runner processes that talk to different nodes. In the middle the leader is killed with SIGKILL and
/// started again. Exit code 0 only if every job finished exactly once and every node tells the same of it.
#[derive(Args)]
pub(crate) struct DemoArgs {
    /// How many jobs.
    #[arg(long, default_value_t = 240, value_parser = number::<usize>(10..=100_000))]
    jobs: usize,
    /// Whose text files the jobs work on.
    #[arg(long, value_name = "DIR", default_value = ".")]
    input: PathBuf,
    /// Where the nodes keep their data; what an earlier demo left there is removed.
    #[arg(long, value_name = "DIR", default_value = ".demo")]
    data_dir: PathBuf,
    /// The first node's HTTP port; the others use the ports behind it, and peers those 1000 above.
    #[arg(long, default_value_t = 18_180, value_parser = number(FIRST_PORT))]
    http_port: u16,
}

/// A job of the demo, enqueued.
struct Enqueued {
    id: String,
    work: Work,
}

/// Runs the demo.
///
/// # Errors
/// Something could not be done at all; what went wrong with the jobs is in the table.
pub(crate) fn main(args: DemoArgs) -> anyhow::Result<ExitCode> {
    runtime::on_threads(run(args))
}

async fn run(args: DemoArgs) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let dir = fresh_dir(&args.data_dir)?;
    let mut out = Output::default();
    let shown = args.data_dir.display();
    out.line(format_args!("the nodes' data is in {shown}; to remove it: rm -r {shown}"));
    let mut work = work::collect(&args.input, args.jobs)?;
    let programs = Programs::new(&dir)?;

    let mut cluster =
        LocalCluster::new(3, args.http_port, args.http_port.saturating_add(1_000), &dir, logging::LEVEL)?;
    cluster.start_all()?;
    wait_until_ready(&mut cluster, Duration::from_secs(60)).await?;
    let urls = cluster.urls();
    out.line(format_args!("three nodes are ready: {}", urls.join("  ")));

    let clients = urls.iter().map(|url| client(url)).collect::<anyhow::Result<Vec<Client>>>()?;
    let runners = Runners::start(&urls, &programs, &dir)?;
    let bar = progress(args.jobs);

    // Two thirds go in before the leader dies, the rest while there is none.
    let late = work.split_off(work.len() * 2 / 3);
    let mut jobs = enqueue(&clients, work).await?;
    bar.set_message("jobs run");
    wait_for_runs(&programs, jobs.len() / 2, &bar).await?;

    let leader = leader(&cluster, &clients).await?;
    let name = format!("n{}", leader + 1);
    let ran = programs.runs()?.len();
    bar.suspend(|| {
        out.line(format_args!("{} ran; killing the leader {name} with SIGKILL", counted(ran, "job")))
    });
    cluster.kill(leader).await?;
    let killed = Instant::now();
    let survivors: Vec<Client> = others(&clients, leader);
    bar.set_message(format!("{name} is dead"));
    let mut late = late.into_iter();
    let first: Vec<Work> = late.by_ref().take(1).collect();
    jobs.extend(enqueue(&survivors, first).await.context("the first write after the leader's death")?);
    let failover = killed.elapsed();
    jobs.extend(enqueue(&survivors, late.collect()).await.context("writes through the surviving nodes")?);
    let during = wait_for_runs(&programs, jobs.len() * 4 / 5, &bar).await?;
    let seconds = failover.as_secs_f64();
    bar.suspend(|| {
        out.line(format_args!("the first write was acknowledged {seconds:.2} s after the kill"));
        out.line(format_args!(
            "{} {} run, with two nodes; starting {name} again",
            counted(during, "job"),
            form(during, "has", "have")
        ));
    });
    cluster.start(leader)?;
    bar.set_message(format!("{name} comes back"));
    wait_for_runs(&programs, jobs.len(), &bar).await?;
    wait_until_ready(&mut cluster, Duration::from_secs(60)).await?;
    bar.set_message("looking at every job on every node");
    let verdict = check::check(&clients, &jobs, &programs).await;
    bar.finish_and_clear();
    runners.stop().await;
    cluster.stop_all().await;
    let verdict = verdict?;
    verdict.show(&mut out, failover, started.elapsed(), &name);
    out.line("");
    out.line("By hand, on the same data:");
    for line in by_hand(&args, &dir, jobs.first().map_or("ID", |job| &job.id)).lines() {
        out.line(line);
    }
    out.end(None)?;
    Ok(if verdict.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Enqueues work in requests of ten jobs, through the nodes in turn.
async fn enqueue(clients: &[Client], work: Vec<Work>) -> anyhow::Result<Vec<Enqueued>> {
    let mut enqueued = Vec::new();
    let mut work = work.into_iter().peekable();
    let mut clients = clients.iter().cycle();
    while work.peek().is_some() {
        let part: Vec<Work> = work.by_ref().take(10).collect();
        let jobs: Vec<NewJob> = part
            .iter()
            .map(|work| NewJob {
                image: work.image.to_owned(),
                payload: Some(work.payload.clone()),
                ..NewJob::default()
            })
            .collect();
        let client = clients.next().context("no node is left")?;
        let answered = client.enqueue(&jobs, None).await?.answer;
        ensure!(answered.len() == part.len(), "{} jobs were sent, {} answered", part.len(), answered.len());
        enqueued.extend(answered.into_iter().zip(part).map(|(job, work)| Enqueued { id: job.id, work }));
    }
    Ok(enqueued)
}

/// Waits until `count` different jobs have started, by the ledger; says how many have.
async fn wait_for_runs(programs: &Programs, count: usize, bar: &ProgressBar) -> anyhow::Result<usize> {
    let mut last = (0, Instant::now());
    loop {
        let runs = programs.runs()?.len();
        bar.set_position(runs as u64);
        if runs >= count {
            return Ok(runs);
        }
        if runs > last.0 {
            last = (runs, Instant::now());
        } else if last.1.elapsed() > Duration::from_secs(60) {
            bail!("nothing ran for a minute: {runs} of {count} jobs");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn leader(cluster: &LocalCluster, clients: &[Client]) -> anyhow::Result<usize> {
    let asked = clients.first().context("there are no nodes")?;
    // One that takes its time to answer is none for a moment.
    let begun = Instant::now();
    let name = loop {
        match asked.cluster().await?.leader {
            Some(name) => break name,
            None if begun.elapsed() < Duration::from_secs(30) => {
                tokio::time::sleep(Duration::from_millis(100)).await
            }
            None => bail!("no leader is known"),
        }
    };
    cluster.nodes().iter().position(|node| node.name == name).with_context(|| format!("{name} is not ours"))
}

fn others(clients: &[Client], without: usize) -> Vec<Client> {
    clients.iter().enumerate().filter(|(n, _)| *n != without).map(|(_, client)| client.clone()).collect()
}

fn client(url: &str) -> anyhow::Result<Client> {
    Ok(Client::new(ClientConfig::new([url]))?)
}

fn progress(jobs: usize) -> ProgressBar {
    let bar = ProgressBar::new(jobs as u64).with_style(
        ProgressStyle::with_template("{spinner} {pos}/{len} {wide_bar} {msg} {elapsed}")
            .expect("a template of known fields"),
    );
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// The file that says that a directory is a demo's, and may be removed.
const MARK: &str = "quorate-demo";

fn fresh_dir(dir: &Path) -> anyhow::Result<PathBuf> {
    let cannot = |what: &str| format!("data-dir: give another, {} cannot be {what}", dir.display());
    if dir.exists() {
        let empty = dir.read_dir().with_context(|| cannot("read"))?.next().is_none();
        ensure!(
            empty || dir.join(MARK).exists(),
            "data-dir: {} is no earlier demo's; it is left alone",
            dir.display()
        );
        std::fs::remove_dir_all(dir).with_context(|| cannot("removed"))?;
    }
    std::fs::create_dir_all(dir).with_context(|| cannot("made"))?;
    std::fs::write(dir.join(MARK), "").with_context(|| cannot("written to"))?;
    dir.canonicalize().with_context(|| cannot("found"))
}

fn by_hand(args: &DemoArgs, dir: &Path, id: &str) -> String {
    let port = args.http_port;
    format!(
        "  target/release/quorate dev --nodes 3 --http-port {port} --data-dir {}
  curl -s localhost:{}/v1/job/{id}
  curl -s localhost:{}/v1/job/{id}/log
  curl -s localhost:{port}/v1/jobs -H 'Content-Type: application/json' -d '{{\"jobs\":[{{\"image\":\"hello\",\"payload\":\"world\"}}]}}'
  curl -s 'localhost:{}/v1/jobs/consume?wait=5'
  curl -s localhost:{port}/v1/cluster",
        dir.display(),
        port + 1,
        port + 2,
        port + 1,
    )
}
