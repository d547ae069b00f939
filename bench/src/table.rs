use std::fmt::Write;

use comfy_table::{Table, presets};
use serde::Serialize;

use crate::system::Kind;
use crate::work::{Round, Work};
use crate::{Args, Results};

/// Everything that was measured.
#[derive(Serialize)]
pub(crate) struct Report {
    rounds: u32,
    seconds: u64,
    clients: u16,
    payload_bytes: usize,
    results: Vec<Row>,
}

/// Medians of a system's rounds of one work.
#[derive(Serialize)]
struct Row {
    work: &'static str,
    clients: u16,
    system: &'static str,
    version: String,
    durability: &'static str,
    consume: &'static str,
    per_second: f64,
    per_second_of_rounds: Vec<f64>,
    p50_ms: f64,
    p99_ms: f64,
    /// Quorate's rate as a multiple of this one; none where Quorate was not measured.
    quorate_ratio: Option<f64>,
    /// Processor time for a job.
    servers_cpu_us: f64,
    clients_cpu_us: f64,
}

impl Report {
    pub(crate) fn new(args: &Args, results: &Results) -> Report {
        let rows = Work::ALL.into_iter().flat_map(|work| {
            let of = move |kind| {
                let (version, rounds): &(String, Vec<Round>) = results.get(&kind)?;
                rounds.iter().any(|round| round.work == work).then_some((version, rounds))
            };
            let quorate = of(Kind::Quorate).map(|(_, rounds)| rate(rounds, work));
            let clients = if work == Work::One { 1 } else { args.clients };
            results.keys().filter_map(move |kind| {
                let (version, rounds) = of(*kind)?;
                Some(row(*kind, version, rounds, work, clients, quorate))
            })
        });
        Report {
            rounds: args.rounds,
            seconds: args.seconds,
            clients: args.clients,
            payload_bytes: args.payload,
            results: rows.collect(),
        }
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let mut table = Table::new();
        table.load_preset(presets::ASCII_MARKDOWN).set_header([
            "work",
            "system",
            "durability",
            "jobs/s",
            "p50 ms",
            "p99 ms",
            "Quorate / this",
            "servers' cpu µs",
            "clients' cpu µs",
        ]);
        for row in &self.results {
            let clients =
                if row.clients == 1 { "1 client".to_owned() } else { format!("{} clients", row.clients) };
            table.add_row([
                format!("{}, {clients}", row.work),
                format!("{} {}", row.system, row.version),
                row.durability.to_owned(),
                format!("{:.0}", row.per_second),
                format!("{:.2}", row.p50_ms),
                format!("{:.2}", row.p99_ms),
                row.quorate_ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}")),
                format!("{:.0}", row.servers_cpu_us),
                format!("{:.0}", row.clients_cpu_us),
            ]);
        }
        let mut text = format!("{table}\n\n");
        let Report { rounds, seconds, payload_bytes, .. } = self;
        let _ = writeln!(
            text,
            "Medians of {rounds} rounds of {seconds} s in turns, {payload_bytes} B payloads; processor time is for a job."
        );
        text.push_str("A consume takes one job and finishes it:");
        for row in self.results.iter().filter(|row| row.work == Work::Consume.name()) {
            let _ = write!(text, "\n- {}: {}", row.system, row.consume);
        }
        text
    }
}

fn row(kind: Kind, version: &str, rounds: &[Round], work: Work, clients: u16, quorate: Option<f64>) -> Row {
    let about = kind.about();
    let of = |value: &dyn Fn(&Round) -> f64| median(each(rounds, work, value));
    Row {
        work: work.name(),
        clients,
        system: about.name,
        version: version.to_owned(),
        durability: about.durability,
        consume: about.consume,
        per_second: rate(rounds, work),
        per_second_of_rounds: each(rounds, work, Round::rate),
        p50_ms: of(&|round| round.quantile(0.5)),
        p99_ms: of(&|round| round.quantile(0.99)),
        quorate_ratio: quorate.map(|quorate| quorate / rate(rounds, work)),
        servers_cpu_us: of(&|round| round.cpu().0),
        clients_cpu_us: of(&|round| round.cpu().1),
    }
}

fn rate(rounds: &[Round], work: Work) -> f64 {
    median(each(rounds, work, Round::rate))
}

fn each(rounds: &[Round], work: Work, value: impl Fn(&Round) -> f64) -> Vec<f64> {
    rounds.iter().filter(|round| round.work == work).map(value).collect()
}

/// The middle value; of two middle ones the lower.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(0.0)
}
