use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use quorate_check::{Call, History, JobRecord, Op, Report};

use crate::fault::Fault;
use crate::injected::Injected;
use crate::limits;
use crate::probes::{gap, longest_pause};

/// What a run amounts to.
#[derive(Clone, Debug)]
pub struct Summary {
    /// A line for each fault.
    pub rows: Vec<FaultRow>,
    /// Requests.
    pub requests: usize,
    /// Requests that were answered with 2xx.
    pub ok: usize,
    /// Requests whose outcome nobody knows.
    pub unknown: usize,
    /// Jobs that were seen.
    pub jobs: usize,
    /// Acknowledged jobs that are not there any more.
    pub lost: usize,
    /// Jobs that were granted twice.
    pub doubled: usize,
    /// Requests that failed although a majority lived, through nodes that nobody had harmed.
    pub failed: usize,
    /// Rules of the checker that are broken, `available` where requests failed, `runner` where a runner did not end what it took, and
    /// `pause` where writes stopped for too long although leaders handed over.
    pub broken: Vec<&'static str>,
    /// Consumes that waited and then got a job.
    pub waited: usize,
    /// Consumes under a key that had had its jobs.
    pub repeated: usize,
    /// Requests that ended jobs and were answered with others.
    pub took: usize,
    /// How long it took, from the first request to the last.
    pub time: Duration,
}

/// All faults of one kind.
#[derive(Clone, Debug)]
pub struct FaultRow {
    /// Which.
    pub fault: Fault,
    /// How often it took hold.
    pub times: usize,
    /// Successful requests while it lasted and healed.
    pub ok: usize,
    /// Of [`Summary::failed`], those while it lasted and healed; none where no majority was left.
    pub failed: Option<usize>,
    /// From the leader's death to the next acknowledged write, in microseconds, ascending.
    pub gaps: Vec<u64>,
    /// Where leaders hand over: the longest time without an acknowledged write, of each node that was harmed in its turn, or of each time;
    /// in microseconds, ascending.
    pub pauses: Vec<u64>,
    /// From the end of the fault until all nodes were well, in microseconds, ascending.
    pub heals: Vec<u64>,
}

impl Summary {
    pub(crate) fn new(
        history: &History,
        report: &Report,
        injected: &[Injected],
        failures: &[&Op],
        unfinished: &[(&Op, &JobRecord)],
        max_pause: Option<Duration>,
    ) -> Summary {
        let broken =
            |name| report.rules.iter().filter(|rule| rule.name == name).map(|rule| rule.broken).sum();
        let mut faults: BTreeMap<Fault, Vec<&Injected>> = BTreeMap::new();
        for one in injected {
            faults.entry(one.fault).or_default().push(one);
        }
        let rows: Vec<FaultRow> = faults
            .into_iter()
            .map(|(fault, injected)| FaultRow::new(history, fault, &injected, failures))
            .collect();
        let pauses = rows.iter().filter_map(|row| percentile(&row.pauses, 99)).map(Duration::from_micros);
        let paused = max_pause.is_some_and(|most| pauses.max() > Some(most)).then_some("pause");
        let unavailable = (!failures.is_empty()).then_some("available");
        let left_undone = (!unfinished.is_empty()).then_some("runner");
        Summary {
            requests: report.operations,
            ok: report.ok,
            unknown: report.unknown,
            jobs: report.jobs,
            lost: broken("kept"),
            doubled: broken("granted-once"),
            failed: failures.len(),
            broken: report
                .broken()
                .map(|rule| rule.name)
                .chain(unavailable)
                .chain(left_undone)
                .chain(paused)
                .collect(),
            waited: history.ops.iter().filter(|op| waited(op)).count(),
            repeated: report.rules.iter().filter(|rule| rule.name == "spent").map(|rule| rule.checked).sum(),
            took: history.ops.iter().filter(|op| op.place > 0 && is_ok(op) && !op.jobs.is_empty()).count(),
            time: Duration::from_micros(history.ops.iter().map(|op| op.returned).max().unwrap_or_default()),
            rows,
        }
    }
}

impl FaultRow {
    fn new(history: &History, fault: Fault, injected: &[&Injected], failures: &[&Op]) -> FaultRow {
        let ok = |one: &&Injected| history.ops.iter().filter(|op| is_ok(op) && one.meets(op)).count();
        let failed = |one: &&Injected| failures.iter().filter(|op| one.meets(op)).count();
        let counts = fault.leaves_majority();
        let turns = |one: &&Injected| match one.turns.as_slice() {
            [] => vec![(one.from, one.healed)],
            turns => turns.iter().map(|(_, from, until)| (*from, *until)).collect(),
        };
        let handed_over = injected.iter().filter(|one| one.fault.hands_over());
        let pauses =
            handed_over.flat_map(turns).map(|(from, until)| longest_pause(&history.ops, from, until));
        let mut pauses: Vec<u64> = pauses.collect();
        pauses.sort_unstable();
        let mut gaps: Vec<u64> = injected
            .iter()
            .filter(|one| one.took_leader)
            .filter_map(|one| gap(history, one.from, one.struck))
            .collect();
        let mut heals: Vec<u64> = injected.iter().map(|one| one.healed - one.over).collect();
        gaps.sort_unstable();
        heals.sort_unstable();
        FaultRow {
            fault,
            times: injected.len(),
            ok: injected.iter().map(ok).sum(),
            failed: counts.then(|| injected.iter().map(failed).sum()),
            gaps,
            pauses,
            heals,
        }
    }
}

/// True for a consume that found nothing at first.
fn waited(op: &Op) -> bool {
    let waits = matches!(op.call, Call::Consume { wait: 1.., .. });
    waits && is_ok(op) && !op.jobs.is_empty() && op.returned - op.invoke >= limits::REALLY_WAITED
}

fn is_ok(op: &Op) -> bool {
    op.outcome == quorate_check::Outcome::Ok
}

/// The value below which so many percent lie, of ascending values.
fn percentile(values: &[u64], percent: usize) -> Option<u64> {
    let rank = (values.len() * percent).div_ceil(100).max(1);
    values.get(rank - 1).copied()
}

/// Of ascending values.
fn spread(values: &[u64]) -> String {
    [percentile(values, 50), percentile(values, 99), values.last().copied()].map(seconds).join(", ")
}

fn seconds(micros: Option<u64>) -> String {
    micros.map_or_else(
        || "–".to_owned(),
        |micros| format!("{:.2} s", Duration::from_micros(micros).as_secs_f64()),
    )
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| fault | times | requests ok meanwhile | failed through the others | lost | granted twice | leader's death to the \
             next acknowledged write, or where it hands over longest time without one: p50, p99, max | all nodes well again: p50, max |"
        )?;
        writeln!(f, "|---|--:|--:|--:|--:|--:|---|---|")?;
        for row in &self.rows {
            let failed = row.failed.map_or_else(|| "–".to_owned(), |failed| failed.to_string());
            let gap = match [row.gaps.as_slice(), &row.pauses].concat().as_slice() {
                [] => "–".to_owned(),
                gaps => spread(gaps),
            };
            let heal = [percentile(&row.heals, 50), row.heals.last().copied()].map(seconds).join(", ");
            writeln!(f, "| {} | {} | {} | {failed} | | | {gap} | {heal} |", row.fault, row.times, row.ok)?;
        }
        let mut gaps: Vec<u64> = self.rows.iter().flat_map(|row| row.gaps.iter().copied()).collect();
        gaps.sort_unstable();
        let times: usize = self.rows.iter().map(|row| row.times).sum();
        let all = spread(&gaps);
        let Summary { ok, failed, lost, doubled, .. } = self;
        // A job is lost or doubled at the end of a run, by all that happened in it.
        writeln!(f, "| the whole run | {times} | {ok} | {failed} | {lost} | {doubled} | {all} | |")?;
        writeln!(f)?;
        writeln!(
            f,
            "{} consumes waited for their jobs, {} came under a key that had had its jobs. {} requests took jobs with the end \
             of others.",
            self.waited, self.repeated, self.took
        )?;
        writeln!(
            f,
            "{} requests in {:.0} s ({} ok, {} unknown), {} jobs: **{} acknowledged jobs lost, {} granted twice.**",
            self.requests,
            self.time.as_secs_f64(),
            self.ok,
            self.unknown,
            self.jobs,
            self.lost,
            self.doubled
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let values: Vec<u64> = (1..=10).collect();
        assert_eq!(percentile(&values, 50), Some(5));
        assert_eq!(percentile(&values, 99), Some(10));
        assert_eq!(percentile(&values[..1], 50), Some(1));
        assert_eq!(percentile(&[], 50), None);
    }
}
