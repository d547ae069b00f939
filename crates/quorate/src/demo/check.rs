use std::time::Duration;

use quorate_client::api::Status;
use quorate_client::{Client, Error};
use tokio::time::Instant;

use super::Enqueued;
use super::work::Programs;
use crate::limits::DEMO_SETTLE;
use crate::output::{Output, Table};

/// What became of the jobs.
pub(super) struct Verdict {
    enqueued: usize,
    succeeded: usize,
    ran_once: usize,
    /// Jobs whose log is right, for each node.
    logs: Vec<(String, usize)>,
    problems: Vec<String>,
}

/// Looks at every job on every node.
///
/// # Errors
/// A node does not answer.
pub(super) async fn check(
    clients: &[Client],
    jobs: &[Enqueued],
    programs: &Programs,
) -> anyhow::Result<Verdict> {
    let mut verdict = Verdict {
        enqueued: jobs.len(),
        succeeded: 0,
        ran_once: 0,
        logs: (1..=clients.len()).map(|n| (format!("n{n}"), 0)).collect(),
        problems: Vec::new(),
    };
    for job in jobs {
        let mut everywhere = true;
        for (client, (node, right)) in clients.iter().zip(&mut verdict.logs) {
            match look(client, job).await? {
                Ok(()) => *right += 1,
                Err(problem) => {
                    everywhere = false;
                    verdict.problems.push(format!("{} on {node}: {problem}", job.id));
                }
            }
        }
        verdict.succeeded += usize::from(everywhere);
    }
    let runs = programs.runs()?;
    for job in jobs {
        match runs.get(&job.id).copied().unwrap_or(0) {
            1 => verdict.ran_once += 1,
            times => verdict.problems.push(format!("{} ran {times} times", job.id)),
        }
    }
    Ok(verdict)
}

/// One job on one node; waits for the last outcomes to arrive there.
async fn look(client: &Client, job: &Enqueued) -> Result<Result<(), String>, Error> {
    let deadline = Instant::now() + DEMO_SETTLE;
    let seen = loop {
        let seen = client.get(&job.id).await?;
        let settled = !matches!(seen.status, Status::Delayed | Status::Queued | Status::Running);
        if settled || Instant::now() >= deadline {
            break seen;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    if seen.status != Status::Success {
        return Ok(Err(format!("its status is {:?}", seen.status)));
    }
    if let Some(retry) = seen.retry_of.or(seen.retry_id) {
        return Ok(Err(format!("it was retried: {retry}")));
    }
    if seen.payload != job.work.payload {
        return Ok(Err("its payload was altered".to_owned()));
    }
    let log = client.log(&job.id).await?;
    if log != job.work.expected.as_bytes() {
        return Ok(Err(format!(
            "its log is {:?}, not {:?}",
            String::from_utf8_lossy(&log),
            job.work.expected
        )));
    }
    Ok(Ok(()))
}

impl Verdict {
    /// Every job finished exactly once, and every node tells the same of it.
    pub(super) fn is_good(&self) -> bool {
        self.problems.is_empty()
            && self.succeeded == self.enqueued
            && self.ran_once == self.enqueued
            && self.logs.iter().all(|(_, right)| *right == self.enqueued)
    }

    /// Prints the table.
    pub(super) fn show(&self, out: &mut Output, failover: Duration, took: Duration, killed: &str) {
        let mut table = Table::new(["what", "result"]);
        let of = |count: usize| format!("{count} of {}", self.enqueued);
        table.row(["jobs acknowledged", &self.enqueued.to_string()]);
        table.row(["finished with success, seen by every node", &of(self.succeeded)]);
        table.row(["lost", &(self.enqueued - self.succeeded).to_string()]);
        table.row(["ran exactly once, by the programs' own ledger", &of(self.ran_once)]);
        for (node, right) in &self.logs {
            table.row([&format!("payload intact and log right, read from {node}"), &of(*right)]);
        }
        table.row([
            &format!("from the SIGKILL of {killed} to the next acknowledged write"),
            &format!("{:.2} s", failover.as_secs_f64()),
        ]);
        table.row(["the whole demo took", &format!("{:.1} s", took.as_secs_f64())]);
        out.table(&table);
        for problem in self.problems.iter().take(20) {
            out.line(format_args!("PROBLEM {problem}"));
        }
        if self.problems.len() > 20 {
            out.line(format_args!("… and {} more", self.problems.len() - 20));
        }
    }
}
