//! `quorate-chaos`: runs a cluster under faults and says what that proved.
//!
//! It ends with 0 where every rule holds, 1 where one is broken or the cluster does not heal, 2 where the run proves
//! nothing.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, ValueEnum};
use quorate_chaos::{Fault, HostKind, Options, Plan, Verdict, run};
use tokio::signal::unix::{SignalKind, signal};

/// Runs a cluster under faults and says what that proved.
#[derive(Parser)]
#[command(name = "quorate-chaos", version)]
struct Arguments {
    /// Draws the faults, their order and what the clients do.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Draw from all faults for so long.
    #[arg(long, default_value_t = 2.0)]
    minutes: f64,
    /// Inject exactly these instead, for example kill-leader:35,kill-follower:65.
    #[arg(long, value_name = "FAULT[:TIMES],…", value_delimiter = ',')]
    faults: Vec<String>,
    /// Where the nodes are.
    #[arg(long, value_enum, default_value_t = Hosts::Processes)]
    host: Hosts,
    /// The program under test [default: `quorate` beside this program].
    #[arg(long, env = "QUORATE_BINARY", value_name = "FILE")]
    binary: Option<PathBuf>,
    /// What the nodes are at first: each goes on as the program under test after it was stopped in order, as roll-all does.
    #[arg(long, value_name = "FILE")]
    before: Option<PathBuf>,
    /// The stack under test.
    #[arg(long, value_name = "FILE", default_value = "deploy/compose.yaml")]
    compose_file: PathBuf,
    /// What its nodes run.
    #[arg(long, value_name = "IMAGE", default_value = "quorate:chaos")]
    image: String,
    /// Where the history, the logs and the data go.
    #[arg(long, value_name = "DIR", default_value = "target/chaos")]
    dir: PathBuf,
    /// Large jobs pass through nodes that have small disks, twice as much as one can hold.
    #[arg(long)]
    bulk: bool,
    /// Clients that send requests all the time.
    #[arg(long, default_value_t = 10)]
    clients: u32,
    /// Requests that must succeed for the run to prove something.
    #[arg(long, value_name = "N", default_value_t = 500)]
    min_ok: usize,
    /// Writes may stop for so long where nodes are restarted or replaced in order: the 99th percentile of each fault.
    #[arg(long, value_name = "MILLISECONDS")]
    max_pause_ms: Option<u64>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Hosts {
    Processes,
    Compose,
}

#[tokio::main]
async fn main() -> ExitCode {
    match main_run(Arguments::parse()).await {
        Ok(Verdict::Good(summary)) => {
            println!("{summary}\nEvery rule holds.");
            ExitCode::SUCCESS
        }
        Ok(Verdict::Broken(summary, history, report)) => {
            println!(
                "{report}\n{summary}\nBroken: {}. The history is {}",
                summary.broken.join(", "),
                history.display()
            );
            ExitCode::from(1)
        }
        Ok(Verdict::Stuck(what)) => {
            println!("The cluster is stuck: {what}");
            ExitCode::from(1)
        }
        Ok(Verdict::Skipped(why)) => {
            println!("{why}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("This run proves nothing: {error:#}");
            ExitCode::from(2)
        }
    }
}

async fn main_run(arguments: Arguments) -> anyhow::Result<Verdict> {
    let host = match arguments.host {
        Hosts::Processes => {
            let beside = std::env::current_exe()?.with_file_name("quorate");
            HostKind::Processes {
                binary: arguments.binary.unwrap_or(beside),
                before: arguments.before,
                planted_bug: None,
            }
        }
        Hosts::Compose => HostKind::Compose {
            file: arguments.compose_file,
            image: arguments.image,
            project: "quorate-chaos".to_owned(),
        },
    };
    let plan = if arguments.faults.is_empty() {
        Plan::For(Duration::try_from_secs_f64(arguments.minutes * 60.0).context("minutes")?)
    } else {
        Plan::Each(faults(&arguments.faults)?)
    };
    let dir = Path::new(&arguments.dir).to_owned();
    let options = Options {
        host,
        dir,
        seed: arguments.seed,
        plan,
        bulk: arguments.bulk,
        clients: arguments.clients,
        min_ok: arguments.min_ok,
        max_pause: arguments.max_pause_ms.map(Duration::from_millis),
    };
    // To be interrupted drops the run, which ends its nodes and unmounts their disks.
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        verdict = run(&options) => verdict,
        _ = tokio::signal::ctrl_c() => anyhow::bail!("interrupted"),
        _ = terminate.recv() => anyhow::bail!("terminated"),
    }
}

/// Each fault as often as it is asked for.
fn faults(asked: &[String]) -> anyhow::Result<Vec<Fault>> {
    let mut faults = Vec::new();
    for item in asked {
        let (fault, times) = match item.split_once(':') {
            Some((fault, times)) => (fault, times.parse().with_context(|| format!("`{item}`"))?),
            None => (item.as_str(), 1),
        };
        faults.extend(std::iter::repeat_n(fault.parse::<Fault>()?, times));
    }
    Ok(faults)
}
