//! Measures Quorate and its peers, one after the other, on this machine.

mod cpu;
mod nats;
mod processes;
mod quorate;
mod rabbitmq;
mod system;
mod table;
mod work;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use system::{About, Kind, Setup, System};
use table::Report;
use work::{Round, Work};

/// Compares a three-node Quorate with NATS JetStream and RabbitMQ of three servers each.
///
/// In every round each system is started afresh, does the same work, and is killed. All of them run on this machine, so a figure is
/// for the whole machine: servers, disks and clients.
#[derive(Parser)]
struct Args {
    /// How often each system is started and measured; the table has medians.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// How long each work is measured in a round, after a second of warming up.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// How many clients, each with a connection of its own, in equal shares over the three servers.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    clients: u16,
    /// How long a payload is, in bytes.
    #[arg(long, default_value_t = 256)]
    payload: usize,
    /// How many jobs are queued before a consume, for each of its seconds; where they run out, it ends there.
    #[arg(long, default_value_t = 10_000)]
    depth: usize,
    /// Which systems, in this order.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "quorate,nats,rabbitmq")]
    only: Vec<Kind>,
    /// The release build of Quorate.
    #[arg(long, value_name = "FILE", default_value = "target/release/quorate")]
    quorate: PathBuf,
    /// Where the servers keep their data while they run: on the disk that is to be measured.
    #[arg(long, value_name = "DIR", default_value = ".")]
    data_dir: PathBuf,
    /// Writes the figures here, too, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// The systems that can be started here, with what was measured of each.
type Results = BTreeMap<Kind, (String, Vec<Round>)>;

fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (mut terminate, mut hang_up) = (signal(SignalKind::terminate())?, signal(SignalKind::hangup())?);
        // What is dropped here kills its servers and removes their data.
        tokio::select! {
            result = run(&args) => return result,
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
            _ = hang_up.recv() => {}
        }
        eprintln!("ended by a signal; the servers are stopped and their data is removed");
        Ok(ExitCode::from(130))
    })
}

async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let home = tempfile::Builder::new().prefix("bench-peers-").tempdir_in(&args.data_dir);
    let home = home.with_context(|| format!("data-dir: cannot write to {}", args.data_dir.display()))?;
    let dir = home.path().canonicalize()?;
    let setup = Setup { quorate: args.quorate.clone(), dir, payload: args.payload };
    let mut results = present(args, &setup).await;
    let mut failed = false;
    for round in 1..=args.rounds {
        for kind in &args.only {
            let Some((version, rounds)) = results.get_mut(kind) else { continue };
            eprintln!("round {round} of {}: {} {version}", args.rounds, kind.about().name);
            let turn = match kind {
                Kind::Quorate => turn::<quorate::Quorate>(args, &setup, rounds).await,
                Kind::Nats => turn::<nats::Nats>(args, &setup, rounds).await,
                Kind::Rabbitmq => turn::<rabbitmq::RabbitMq>(args, &setup, rounds).await,
            };
            if let Err(error) = turn {
                failed = true;
                eprintln!("  FAILED, the rest of this round is left out: {error:#}");
            }
        }
    }
    ensure!(results.values().any(|(_, rounds)| !rounds.is_empty()), "nothing was measured");
    let report = Report::new(args, &results);
    println!("{}", report.text());
    if let Some(file) = &args.json {
        std::fs::write(file, serde_json::to_vec_pretty(&report)?)
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Those that are installed; says what is missing of the others.
async fn present(args: &Args, setup: &Setup) -> Results {
    let mut results = Results::new();
    for kind in &args.only {
        let version = match kind {
            Kind::Quorate => quorate::Quorate::version(setup).await,
            Kind::Nats => nats::Nats::version(setup).await,
            Kind::Rabbitmq => rabbitmq::RabbitMq::version(setup).await,
        };
        let About { name, install, .. } = kind.about();
        match version {
            Ok(version) => drop(results.insert(*kind, (version, Vec::new()))),
            Err(error) => eprintln!("{name} is left out: {error:#}. If it is missing: {install}"),
        }
    }
    results
}

/// Starts a system, measures every work once, and ends it.
async fn turn<S: System>(args: &Args, setup: &Setup, rounds: &mut Vec<Round>) -> anyhow::Result<()> {
    let dir = tempfile::tempdir_in(&setup.dir)?;
    let system = S::start(setup, dir.path()).await.context("start")?;
    let length = Duration::from_secs(args.seconds);
    let mut clients = Vec::new();
    for number in 0..usize::from(args.clients) {
        clients.push(system.connect(number % system::SERVERS).await.context("connect")?);
    }
    for work in Work::ALL {
        if work == Work::Consume {
            work::fill(&mut clients, args.depth.saturating_mul(1 + args.seconds as usize)).await?;
        }
        let clients = if work == Work::One { &mut clients[..1] } else { &mut clients };
        work::measure(work, clients, Duration::from_secs(1)).await.context("warming up")?;
        let round = work::measure(work, clients, length).await.context(work.name())?;
        eprintln!("  {}", round.line());
        rounds.push(round);
    }
    Ok(())
}
