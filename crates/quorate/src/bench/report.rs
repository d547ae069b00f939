use std::process::ExitCode;

use serde::Serialize;

use super::load::{Latencies, Round};
use super::{BenchArgs, Mode};
use crate::output::{Output, Table};

#[derive(Serialize)]
struct Report<'a> {
    nodes: &'a [String],
    mode: Mode,
    clients: usize,
    rounds: usize,
    seconds: u64,
    payload_bytes: usize,
    batch: usize,
    keys: bool,
    /// Whole cycles, or enqueued jobs: the median round, and every round.
    jobs_per_second: f64,
    jobs_per_second_of_rounds: Vec<f64>,
    operations: Vec<Operation>,
}

/// Medians over the rounds.
#[derive(Serialize)]
struct Operation {
    name: &'static str,
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
}

type Part = (&'static str, fn(&Round) -> &Latencies);

pub(super) fn print(args: &BenchArgs, nodes: &[String], rounds: &[Round]) -> anyhow::Result<ExitCode> {
    let parts: &[Part] = match args.mode {
        Mode::Cycle => &[
            ("enqueue", |round| &round.enqueue),
            ("consume", |round| &round.consume),
            ("success", |round| &round.finish),
            ("cycle", |round| &round.cycle),
        ],
        Mode::Enqueue => &[("enqueue", |round| &round.enqueue)],
    };
    let jobs = |round: &Round| match args.mode {
        Mode::Cycle => round.cycle.len() as f64,
        Mode::Enqueue => (round.enqueue.len() * args.batch as u64) as f64,
    };
    let rates: Vec<f64> = rounds.iter().map(|round| jobs(round) / round.elapsed.as_secs_f64()).collect();
    let report = Report {
        nodes,
        mode: args.mode,
        clients: args.clients,
        rounds: args.rounds,
        seconds: args.seconds,
        payload_bytes: args.payload,
        batch: args.batch,
        keys: args.keys,
        jobs_per_second: median(rates.clone()),
        jobs_per_second_of_rounds: rates,
        operations: parts.iter().map(|part| operation(*part, rounds)).collect(),
    };
    let mut out = Output::default();
    if args.json {
        out.json(&report)
    } else {
        show(&mut out, &report)
    }
    out.end(None)?;
    Ok(ExitCode::SUCCESS)
}

fn show(out: &mut Output, report: &Report<'_>) {
    let mut table = Table::new(["operation", "per second", "p50 ms", "p99 ms", "max ms"]);
    for operation in &report.operations {
        table.row([
            operation.name,
            &format!("{:.0}", operation.per_second),
            &format!("{:.1}", operation.p50_ms),
            &format!("{:.1}", operation.p99_ms),
            &format!("{:.1}", operation.max_ms),
        ]);
    }
    out.table(&table);
    let each: Vec<String> =
        report.jobs_per_second_of_rounds.iter().map(|rate| format!("{rate:.0}")).collect();
    out.line(format_args!(
        "{:.0} jobs/s, the median of {} rounds of {} s ({}); {} clients over {} nodes, {} B payloads, \
         every write fsynced on a majority before its answer",
        report.jobs_per_second,
        report.rounds,
        report.seconds,
        each.join(", "),
        report.clients,
        report.nodes.len(),
        report.payload_bytes,
    ));
}

fn operation((name, latencies): Part, rounds: &[Round]) -> Operation {
    let of = |value: &dyn Fn(&Round) -> f64| median(rounds.iter().map(value).collect());
    Operation {
        name,
        per_second: of(&|round| latencies(round).len() as f64 / round.elapsed.as_secs_f64()),
        p50_ms: of(&|round| latencies(round).value_at_quantile(0.5) as f64 / 1_000.0),
        p99_ms: of(&|round| latencies(round).value_at_quantile(0.99) as f64 / 1_000.0),
        max_ms: of(&|round| latencies(round).max() as f64 / 1_000.0),
    }
}

/// The middle value; of two middle ones the lower.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0]), 1.0);
        assert_eq!(median(vec![]), 0.0);
    }
}
