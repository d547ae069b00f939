use std::fs::File;
use std::io::{self, BufWriter};
use std::path::Path;

use anyhow::Context;
use parking_lot::Mutex;
use quorate_check::{Counts, Fault, HistoryWriter, JobRecord, Op, Run};

/// The history as all clients write it.
pub(crate) struct Recorder(Mutex<Option<HistoryWriter<BufWriter<File>>>>);

impl Recorder {
    pub(crate) fn new(path: &Path, run: &Run) -> anyhow::Result<Recorder> {
        let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Recorder(Mutex::new(Some(HistoryWriter::new(BufWriter::new(file), run)?))))
    }

    pub(crate) fn op(&self, op: &Op) -> io::Result<()> {
        self.write(|history| history.op(op))
    }

    pub(crate) fn fault(&self, fault: &Fault) -> io::Result<()> {
        self.write(|history| history.fault(fault))
    }

    pub(crate) fn healed(&self, at: u64) -> io::Result<()> {
        self.write(|history| history.healed(at))
    }

    pub(crate) fn scan(&self, node: &str, index: u64, at: u64, jobs: &[JobRecord]) -> io::Result<()> {
        self.write(|history| history.scan(node, index, Some(at), jobs))
    }

    pub(crate) fn counts(&self, counts: &Counts) -> io::Result<()> {
        self.write(|history| history.counts(counts))
    }

    /// Writes the last line; nothing can follow.
    pub(crate) fn finish(&self) -> io::Result<()> {
        match self.0.lock().take() {
            Some(history) => history.finish().map(drop),
            None => Err(ended()),
        }
    }

    fn write(
        &self,
        line: impl FnOnce(&mut HistoryWriter<BufWriter<File>>) -> io::Result<()>,
    ) -> io::Result<()> {
        self.0.lock().as_mut().ok_or_else(ended).and_then(line)
    }
}

fn ended() -> io::Error {
    io::Error::other("the history has ended already")
}
