use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;

use super::BenchArgs;
use super::load::{Latencies, Round};
use super::profile::Profile;
use crate::number::counted;
use crate::output::{Output, Table};

#[derive(Serialize)]
struct Report<'a> {
    nodes: &'a [String],
    profile: Profile,
    clients: usize,
    rounds: usize,
    seconds: u64,
    payload_bytes: usize,
    /// Jobs of one step.
    batch: usize,
    depth: u64,
    rate: Option<f64>,
    /// Whether every write had an Idempotency-Key.
    keys: bool,
    queues: usize,
    /// Queues that nobody takes from.
    beside: usize,
    /// Keys of jobs.
    job_keys: usize,
    /// The median round, and every round.
    jobs_per_second: f64,
    jobs_per_second_of_rounds: Vec<f64>,
    /// Processor time of all nodes for one step, in microseconds; none where they are elsewhere.
    nodes_cpu_us: Option<f64>,
    /// The same of this program.
    load_cpu_us: f64,
    operations: Vec<Operation>,
}

/// Medians over the rounds.
#[derive(Serialize)]
struct Operation {
    name: &'static str,
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    p999_ms: f64,
    max_ms: f64,
}

pub(super) fn print(args: &BenchArgs, nodes: &[String], rounds: &[Round]) -> anyhow::Result<ExitCode> {
    let batch = args.profile.batch(args.batch);
    let rates: Vec<f64> =
        rounds.iter().map(|round| round.jobs as f64 / round.elapsed.as_secs_f64()).collect();
    let per_step = |cpu: Duration, round: &Round| cpu.as_secs_f64() * 1e6 / round.steps.max(1) as f64;
    let nodes_cpu: Option<Vec<f64>> =
        rounds.iter().map(|round| Some(per_step(round.cpu.nodes?, round))).collect();
    let mut operations: Vec<Operation> = args
        .profile
        .operations()
        .iter()
        .enumerate()
        .map(|(at, name)| operation(name, rounds, |round| &round.operations[at]))
        .collect();
    if operations.len() > 1 {
        operations.push(operation("all", rounds, |round| &round.step));
    }
    let report = Report {
        nodes,
        profile: args.profile,
        clients: args.clients,
        rounds: args.rounds,
        seconds: args.seconds,
        payload_bytes: args.payload,
        batch,
        depth: args.depth,
        rate: args.rate,
        keys: args.idempotency_keys,
        queues: args.queues,
        beside: args.beside,
        job_keys: args.keys,
        jobs_per_second: median(rates.clone()),
        jobs_per_second_of_rounds: rates,
        nodes_cpu_us: nodes_cpu.map(median),
        load_cpu_us: median(rounds.iter().map(|round| per_step(round.cpu.load, round)).collect()),
        operations,
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
    let mut table = Table::new(["operation", "per second", "p50 ms", "p99 ms", "p99.9 ms", "max ms"]);
    for operation in &report.operations {
        table.row([
            operation.name,
            &format!("{:.0}", operation.per_second),
            &format!("{:.2}", operation.p50_ms),
            &format!("{:.2}", operation.p99_ms),
            &format!("{:.2}", operation.p999_ms),
            &format!("{:.2}", operation.max_ms),
        ]);
    }
    out.table(&table);
    let each: Vec<String> =
        report.jobs_per_second_of_rounds.iter().map(|rate| format!("{rate:.0}")).collect();
    out.line(format_args!(
        "{:.0} jobs/s, the median of {} of {} s ({}); {} over {}, {} B payloads, \
         every write fsynced on a majority before its answer",
        report.jobs_per_second,
        counted(report.rounds, "round"),
        report.seconds,
        each.join(", "),
        counted(report.clients, "client"),
        counted(report.nodes.len(), "node"),
        report.payload_bytes,
    ));
    let what = if report.operations.len() > 1 { "for all of these together" } else { "a request" };
    let nodes = report.nodes_cpu_us.map(|us| format!("by the nodes {us:.0} µs, ")).unwrap_or_default();
    out.line(format_args!(
        "processor time {what}: {nodes}by this load generator {:.0} µs",
        report.load_cpu_us
    ));
}

fn operation(name: &'static str, rounds: &[Round], latencies: impl Fn(&Round) -> &Latencies) -> Operation {
    let of = |value: &dyn Fn(&Round) -> f64| median(rounds.iter().map(value).collect());
    let quantile = |quantile| of(&|round| latencies(round).value_at_quantile(quantile) as f64 / 1_000.0);
    Operation {
        name,
        per_second: of(&|round| latencies(round).len() as f64 / round.elapsed.as_secs_f64()),
        p50_ms: quantile(0.5),
        p99_ms: quantile(0.99),
        p999_ms: quantile(0.999),
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
