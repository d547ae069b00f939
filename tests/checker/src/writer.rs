use std::io::{self, Write};

use serde::Serialize;

use crate::event::{Counts, End, Fault, Healed, Op, Run, Scan};
use crate::job::JobRecord;

/// Writes a history, line by line. Events of many clients go through one writer; their order does not matter.
pub struct HistoryWriter<W: Write> {
    out: W,
    ops: usize,
}

/// A line as it is written: [`crate::Event`], borrowed.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Line<'a> {
    Run(&'a Run),
    Op(&'a Op),
    Fault(&'a Fault),
    Healed(Healed),
    Scan(Scan),
    Counts(&'a Counts),
    Job(&'a JobRecord),
    End(End),
}

impl<W: Write> HistoryWriter<W> {
    /// Begins a history. `out` should be buffered.
    ///
    /// # Errors
    /// Writing failed.
    pub fn new(out: W, run: &Run) -> io::Result<HistoryWriter<W>> {
        let mut writer = HistoryWriter { out, ops: 0 };
        writer.line(&Line::Run(run))?;
        Ok(writer)
    }

    /// Adds a request, once its outcome is known or given up.
    ///
    /// # Errors
    /// Writing failed.
    pub fn op(&mut self, op: &Op) -> io::Result<()> {
        self.ops += 1;
        self.line(&Line::Op(op))
    }

    /// Notes harm to the cluster, once it is over.
    ///
    /// # Errors
    /// Writing failed.
    pub fn fault(&mut self, fault: &Fault) -> io::Result<()> {
        self.line(&Line::Fault(fault))
    }

    /// Notes that the faults are over.
    ///
    /// # Errors
    /// Writing failed.
    pub fn healed(&mut self, at: u64) -> io::Result<()> {
        self.line(&Line::Healed(Healed { at }))
    }

    /// Adds all jobs of a node that had applied `index` before and after they were listed, from `at` on.
    ///
    /// # Errors
    /// Writing failed.
    pub fn scan(&mut self, node: &str, index: u64, at: Option<u64>, jobs: &[JobRecord]) -> io::Result<()> {
        self.line(&Line::Scan(Scan { node: node.into(), index, at, jobs: jobs.len() }))?;
        jobs.iter().try_for_each(|job| self.line(&Line::Job(job)))
    }

    /// Notes how many jobs the queues of a node have.
    ///
    /// # Errors
    /// Writing failed.
    pub fn counts(&mut self, counts: &Counts) -> io::Result<()> {
        self.line(&Line::Counts(counts))
    }

    /// Ends the history and gives the writer back, flushed.
    ///
    /// # Errors
    /// Writing failed.
    pub fn finish(mut self) -> io::Result<W> {
        let ops = self.ops;
        self.line(&Line::End(End { ops }))?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn line(&mut self, line: &Line<'_>) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, line)?;
        self.out.write_all(b"\n")
    }
}
