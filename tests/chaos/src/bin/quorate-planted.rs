//! `quorate-planted`: tests the tests. Plants one bug after the other into a cluster, and sees whether the chaos run or the
//! checker finds it.
//!
//! It ends with 0 where every bug is found and nothing where there is none, 1 where that is not so, 2 where that was not
//! learned.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use quorate_chaos::EXPERIMENTS;

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
    // Ctrl-C drops the run, which ends its nodes and unmounts their disks.
    let all_found = tokio::select! {
        all_found = conduct_all(Arguments::parse()) => all_found,
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
    };
    match all_found {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("This proves nothing: {error:#}");
            ExitCode::from(2)
        }
    }
}

async fn conduct_all(arguments: Arguments) -> anyhow::Result<bool> {
    let mut lines = Vec::new();
    let mut all_as_they_should = true;
    for experiment in EXPERIMENTS {
        let name = experiment.bug.unwrap_or("control");
        if !arguments.bugs.is_empty() && !arguments.bugs.iter().any(|bug| bug == name) {
            continue;
        }
        eprintln!("{name}: {}", experiment.faults());
        let finding = experiment.conduct(&arguments.binary, &arguments.dir).await?;
        let caught_by = finding.caught_by.as_deref().unwrap_or("nothing");
        eprintln!("{name}: run {}: {caught_by}", finding.runs);
        lines.push(format!("| {name} | {} | {} | {caught_by} |", experiment.faults(), finding.runs));
        all_as_they_should &= experiment.succeeded(&finding);
    }
    println!("| bug | faults of a run | runs | found by |\n|---|---|--:|---|\n{}", lines.join("\n"));
    println!(
        "\n{}",
        if all_as_they_should { "Every bug is found." } else { "The tests are not good enough." }
    );
    Ok(all_as_they_should)
}
