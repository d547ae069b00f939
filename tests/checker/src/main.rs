//! `quorate-check HISTORY`: says what a history proves, or which of its events break which rule.
//!
//! It ends with 0 where every rule holds, 1 where one is broken or too little succeeded, 2 where the history cannot be
//! read.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use quorate_check::{History, Plan, Report, check, generate};

/// Judges the recorded history of a cluster under faults.
#[derive(Parser)]
#[command(name = "quorate-check", version)]
struct Arguments {
    /// The history, one JSON event a line.
    #[arg(required_unless_present = "generate")]
    history: Option<PathBuf>,
    /// Answer as JSON.
    #[arg(long)]
    json: bool,
    /// Requests that must have succeeded: a history in which little happened proves little.
    #[arg(long, value_name = "N", default_value_t = 1)]
    min_ok: usize,
    /// Write a good history of at least so many events to standard output instead.
    #[arg(long, value_name = "EVENTS", conflicts_with = "history")]
    generate: Option<usize>,
    /// What it is drawn from: the same seed gives the same history.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// A history is millions of short texts.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(2)
        }
    }
}

/// True where the history holds.
fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let Some(path) = &arguments.history else {
        let plan = Plan { events: arguments.generate.unwrap_or_default(), seed: arguments.seed };
        generate(plan, BufWriter::new(io::stdout().lock())).context("cannot write the history")?;
        return Ok(true);
    };
    let name = path.display();
    let file = File::open(path).with_context(|| format!("cannot open {name}"))?;
    let history = History::read(BufReader::with_capacity(1 << 20, file))
        .with_context(|| format!("cannot read {name}"))?;
    let report = check(&history);
    let enough = report.ok >= arguments.min_ok;
    show(&report, arguments, enough).context("cannot write the report")?;
    Ok(report.holds() && enough)
}

fn show(report: &Report, arguments: &Arguments, enough: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if arguments.json {
        let verdict = serde_json::json!({ "holds": report.holds(), "enough": enough, "report": report });
        return writeln!(out, "{verdict:#}");
    }
    write!(out, "{report}")?;
    match (report.holds(), enough) {
        (true, true) => writeln!(out, "\nEvery rule holds."),
        (true, false) => {
            let (ok, min_ok) = (report.ok, arguments.min_ok);
            writeln!(
                out,
                "\nToo little succeeded to prove anything: {ok} requests, at least {min_ok} were demanded."
            )
        }
        (false, _) => {
            writeln!(out, "\nThe history breaks {} of {} rules.", report.broken().count(), report.rules.len())
        }
    }
}
