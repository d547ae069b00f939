//! `quorate-planted`: tests the tests. Plants one bug after the other into a cluster, and sees whether the chaos run or the
//! checker finds it.
//!
//! It ends with 0 where every bug is found and nothing where there is none, 1 where that is not so, 2 where that was not
//! learned.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::ensure;
use clap::Parser;
use quorate_chaos::{EXPERIMENTS, Experiment};
use tokio::signal::unix::{SignalKind, signal};

/// Plants one bug after the other into a cluster, and sees whether it is found.
#[derive(Parser)]
#[command(name = "quorate-planted", version)]
struct Arguments {
    /// A `quorate` that was built with `--features planted-bugs`.
    #[arg(long, value_name = "FILE")]
    binary: PathBuf,
    /// Only these bugs; `control` is the run without one.
    #[arg(long, value_name = "BUG,…", value_delimiter = ',')]
    bugs: Vec<String>,
    /// Where histories, logs and data go.
    #[arg(long, value_name = "DIR", default_value = "target/planted")]
    dir: PathBuf,
}

#[tokio::main]
async fn main() -> ExitCode {
    // To be interrupted drops the run, which ends its nodes and unmounts their disks.
    let result = async {
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            code = conduct_all(Arguments::parse()) => code,
            _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
            _ = terminate.recv() => Err(anyhow::anyhow!("terminated")),
        }
    };
    result.await.unwrap_or_else(|error| {
        eprintln!("This proves nothing: {error:#}");
        ExitCode::from(2)
    })
}

async fn conduct_all(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let experiments = chosen(&arguments.bugs)?;
    println!("| bug | faults of a run | runs | found by |\n|---|---|--:|---|");
    let (mut wrong, mut unknown) = (Vec::new(), Vec::new());
    for experiment in experiments {
        let name = experiment.name();
        eprintln!("{name}: {}", experiment.faults());
        let (runs, found) = match experiment.conduct(&arguments.binary, &arguments.dir).await {
            Ok(finding) => {
                if !finding.as_expected {
                    wrong.push(name);
                }
                (finding.runs.to_string(), finding.found.unwrap_or_else(|| "nothing".to_owned()))
            }
            Err(error) => {
                unknown.push(name);
                ("–".to_owned(), format!("not learned: {error:#}"))
            }
        };
        println!("| {name} | {} | {runs} | {found} |", experiment.faults());
    }
    Ok(match (wrong.as_slice(), unknown.as_slice()) {
        ([], []) => {
            println!("\nEach showed what it should.");
            ExitCode::SUCCESS
        }
        ([], unknown) => {
            println!("\nNot learned: {}.", unknown.join(", "));
            ExitCode::from(2)
        }
        (wrong, _) => {
            println!("\nThe tests are not good enough: {}.", wrong.join(", "));
            ExitCode::from(1)
        }
    })
}

/// The experiments that were asked for: all, if none was.
fn chosen(names: &[String]) -> anyhow::Result<Vec<Experiment>> {
    for name in names {
        let all = EXPERIMENTS.map(|experiment| experiment.name()).join(", ");
        ensure!(EXPERIMENTS.iter().any(|known| known.name() == name), "`{name}` is none of {all}");
    }
    let asked =
        |experiment: &Experiment| names.is_empty() || names.iter().any(|name| name == experiment.name());
    Ok(EXPERIMENTS.into_iter().filter(asked).collect())
}
