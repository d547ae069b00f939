mod connection;
mod cpu;
mod load;
mod profile;
mod report;
mod requests;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use quorate_client::Client;

use crate::dev::LocalCluster;
use crate::dev::wait_until_ready;
use crate::environment::{Item, items};
use crate::limits::FIRST_PORT;
use crate::number::{decimal, number};
use crate::runtime;
use crate::target::{Tls, Token};
use cpu::Processes;
use load::{Load, Round};
use profile::Profile;
use requests::Spread;

/// Measure a cluster: many clients, each with a connection of its own, in equal shares over the nodes.
///
/// Every write is answered after a majority has it on disk. Without --nodes it starts three nodes on this machine, which
/// then share its processors with the clients; it says what processor time both took.
#[derive(Args, Clone)]
pub(crate) struct BenchArgs {
    /// The nodes to measure [default: three local ones, started for this].
    #[arg(long, value_delimiter = ',', value_name = "NODE,…")]
    nodes: Vec<Item<String>>,
    #[command(flatten)]
    token: Token,
    #[command(flatten)]
    tls: Tls,
    /// What each client does, over and over.
    #[arg(long, value_enum, default_value_t = Profile::Cycle)]
    profile: Profile,
    /// Clients at once.
    #[arg(long, default_value_t = 64, value_parser = number::<usize>(1..=4_096))]
    clients: usize,
    /// Seconds of one round.
    #[arg(long, default_value_t = 5, value_parser = number::<u64>(1..=3_600))]
    seconds: u64,
    /// Rounds; the figures are the median round's.
    #[arg(long, default_value_t = 5, value_parser = number::<usize>(1..=1_000))]
    rounds: usize,
    /// Bytes of a job's payload.
    #[arg(long, default_value_t = 256, value_parser = number::<usize>(0..=quorate_core::limits::PAYLOAD_BYTES))]
    payload: usize,
    /// Jobs of one request, with --profile batch and bulk.
    #[arg(long, default_value_t = 100, value_parser = number::<usize>(1..=1_000))]
    batch: usize,
    /// Jobs that are queued before the clients begin.
    #[arg(long, default_value_t = 0, value_name = "JOBS", value_parser = number::<u64>(0..=100_000_000))]
    depth: u64,
    /// Begin so many a second, whether those before are done or not: latencies then count from when each should have begun
    /// [default: each client begins the next when the last is done].
    #[arg(long, value_name = "PER SECOND", value_parser = decimal(0.1..=10_000_000.0))]
    rate: Option<f64>,
    /// Queues over which the jobs are spread; they are taken from all. 0: the default one [default: 0].
    #[arg(long, default_value_t = 0, hide_default_value = true, value_name = "N", value_parser = number::<usize>(0..=9_999))]
    queues: usize,
    /// Queues besides, over which as many jobs as --depth are spread; nobody takes from them [default: 0].
    #[arg(long, default_value_t = 0, hide_default_value = true, value_name = "N", value_parser = number::<usize>(0..=9_999))]
    beside: usize,
    /// Keys over which the jobs of each queue are spread; they take turns. 0: none [default: 0].
    #[arg(long, default_value_t = 0, hide_default_value = true, value_name = "K", value_parser = number::<usize>(0..=100_000))]
    keys: usize,
    /// Send an Idempotency-Key with every enqueue and consume, as a careful client does.
    #[arg(long)]
    idempotency_keys: bool,
    /// Where the local nodes keep their data [default: a folder that is removed afterwards].
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The first local node's HTTP port; peers use the ports 1000 above.
    #[arg(long, default_value_t = 18_480, value_parser = number(FIRST_PORT))]
    http_port: u16,
    /// Print JSON, for machines.
    #[arg(long)]
    json: bool,
}

/// Measures, and prints the figures.
///
/// # Errors
/// The cluster cannot be started, or a request failed.
pub(crate) fn main(args: BenchArgs) -> anyhow::Result<ExitCode> {
    // One thread is enough for what two cores of nodes answer, and costs less than two that wake each other.
    runtime::on_one_thread(run(args))
}

async fn run(args: BenchArgs) -> anyhow::Result<ExitCode> {
    let nodes = items(&args.nodes);
    if !nodes.is_empty() {
        // Says which of them is no node.
        Client::new(args.tls.config(&nodes)?).context("nodes")?;
        let rounds = measure(&args, &nodes, &Processes::default()).await?;
        return report::print(&args, &nodes, &rounds);
    }
    let scratch = tempfile::tempdir()?;
    let dir = args.data_dir.clone().unwrap_or_else(|| scratch.path().to_owned());
    let mut cluster =
        LocalCluster::new(3, args.http_port, args.http_port.saturating_add(1_000), &dir, "warn")?;
    cluster.start_all()?;
    wait_until_ready(&mut cluster, Duration::from_secs(60)).await?;
    let processes = Processes::new(cluster.nodes().iter().filter_map(|node| node.pid()));
    let rounds = measure(&args, &cluster.urls(), &processes).await;
    cluster.stop_all().await;
    report::print(&args, &cluster.urls(), &rounds?)
}

/// Fills the queue, warms up for a second, then measures.
async fn measure(args: &BenchArgs, nodes: &[String], processes: &Processes) -> anyhow::Result<Vec<Round>> {
    let mut load = Load::connect(args, nodes).await?;
    let beside = Spread { queues: args.beside, keys: 0, prefix: "beside" };
    let beside_depth = if args.beside > 0 { args.depth } else { 0 };
    let fills = [(load.spread, args.depth), (beside, beside_depth)];
    for (spread, jobs) in fills.into_iter().filter(|(_, jobs)| *jobs > 0) {
        let bar = bar(jobs, "{spinner} {msg} {wide_bar} {pos}/{len} jobs, {eta} left");
        bar.set_message("filling the queues");
        load.fill(spread, jobs, |jobs| bar.inc(jobs)).await?;
        bar.finish_and_clear();
    }
    load.prepare().await?;
    let bar = bar(1 + args.seconds * args.rounds as u64, "{spinner} {msg} {wide_bar} {pos}/{len} s");
    bar.set_message("warming up");
    load.round(Duration::from_secs(1), processes).await?;
    bar.inc(1);
    let mut rounds = Vec::new();
    for number in 1..=args.rounds {
        bar.set_message(format!("round {number} of {}", args.rounds));
        rounds.push(load.round(Duration::from_secs(args.seconds), processes).await?);
        bar.inc(args.seconds);
    }
    bar.finish_and_clear();
    Ok(rounds)
}

fn bar(length: u64, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template).expect("a template of known fields");
    let bar = ProgressBar::new(length).with_style(style);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
