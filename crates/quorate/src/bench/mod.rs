mod load;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};

use crate::dev::LocalCluster;
use crate::environment::{Item, items};
use crate::health::wait_until_ready;
use crate::number::number;
use crate::runtime;

/// Measure a cluster: many clients, each with a connection of its own, in equal shares over the nodes.
///
/// Every write is answered after a majority has it on disk. Without --nodes it starts three nodes on this machine, which
/// then share its processors with the clients.
#[derive(Args, Clone)]
pub(crate) struct BenchArgs {
    /// The nodes to measure [default: three local ones, started for this].
    #[arg(long, value_delimiter = ',', value_name = "URL,…")]
    nodes: Vec<Item<String>>,
    /// What each client does, over and over.
    #[arg(long, value_enum, default_value_t = Mode::Cycle)]
    mode: Mode,
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
    #[arg(long, default_value_t = 200, value_parser = number::<usize>(0..=quorate_core::limits::PAYLOAD_BYTES))]
    payload: usize,
    /// Jobs of one enqueue (with --mode enqueue).
    #[arg(long, default_value_t = 1, value_parser = number::<usize>(1..=1_000))]
    batch: usize,
    /// Send an Idempotency-Key with every enqueue and consume, as a careful client does.
    #[arg(long)]
    keys: bool,
    /// Where the local nodes keep their data [default: a folder that is removed afterwards].
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The first local node's HTTP port; peers use the ports 1000 above.
    #[arg(long, default_value_t = 18_480, value_parser = number::<u16>(1..=65_535))]
    http_port: u16,
    /// Print JSON, for machines.
    #[arg(long)]
    json: bool,
}

/// What a client does, over and over.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// Enqueues a job, consumes one, finishes it.
    Cycle,
    /// Enqueues only.
    Enqueue,
}

/// Measures, and prints the figures.
///
/// # Errors
/// The cluster cannot be started, or a request failed.
pub(crate) fn main(args: BenchArgs) -> anyhow::Result<ExitCode> {
    runtime::on_threads(run(args))
}

async fn run(args: BenchArgs) -> anyhow::Result<ExitCode> {
    let nodes = items(&args.nodes);
    if !nodes.is_empty() {
        let rounds = measure(&args, &nodes).await?;
        return report::print(&args, &nodes, &rounds);
    }
    let scratch = tempfile::tempdir()?;
    let dir = args.data_dir.clone().unwrap_or_else(|| scratch.path().to_owned());
    let mut cluster =
        LocalCluster::new(3, args.http_port, args.http_port.saturating_add(1_000), &dir, "warn")?;
    cluster.start_all()?;
    wait_until_ready(&mut cluster, Duration::from_secs(60)).await?;
    let rounds = measure(&args, &cluster.urls()).await;
    cluster.stop_all().await;
    report::print(&args, &cluster.urls(), &rounds?)
}

/// A second to warm up, then the rounds.
async fn measure(args: &BenchArgs, nodes: &[String]) -> anyhow::Result<Vec<load::Round>> {
    let total = 1 + args.seconds * args.rounds as u64;
    let bar = ProgressBar::new(total).with_style(
        ProgressStyle::with_template("{spinner} {msg} {wide_bar} {pos}/{len} s")
            .expect("a template of known fields"),
    );
    bar.enable_steady_tick(Duration::from_millis(200));
    bar.set_message("warming up");
    load::round(args, nodes, Duration::from_secs(1)).await?;
    bar.inc(1);
    let mut rounds = Vec::new();
    for number in 1..=args.rounds {
        bar.set_message(format!("round {number} of {}", args.rounds));
        rounds.push(load::round(args, nodes, Duration::from_secs(args.seconds)).await?);
        bar.inc(args.seconds);
    }
    bar.finish_and_clear();
    Ok(rounds)
}
