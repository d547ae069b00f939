use std::{io, time::Instant};

use super::HighWater;
use crate::{high_water::Mark, limits::MARK_PAUSE};

/// Where marks go: the `high-water` file, but in tests.
pub(super) trait MarkFile: Send {
    /// Replaces the mark, for as long as the machine runs.
    fn put(&mut self, mark: Mark) -> io::Result<()>;
    /// Makes the last one durable.
    fn sync(&mut self) -> io::Result<()>;
}

impl MarkFile for HighWater {
    fn put(&mut self, mark: Mark) -> io::Result<()> {
        HighWater::put(self, mark)
    }

    fn sync(&mut self) -> io::Result<()> {
        HighWater::sync(self)
    }
}

/// Keeps the high-water mark. A mark that is put is there when the process dies; when the machine does, those of the last
/// [`MARK_PAUSE`] may be missing. To sync each one would cost as much again as the log's own sync.
pub(super) struct MarkWriter {
    pub(super) file: Box<dyn MarkFile>,
    /// The mark that was put last.
    pub(super) mark: Mark,
    /// Since when the disk may lack it.
    pub(super) unsynced: Option<Instant>,
}

impl MarkWriter {
    pub(super) fn new(file: impl MarkFile + 'static, mark: Mark) -> MarkWriter {
        MarkWriter { file: Box::new(file), mark, unsynced: None }
    }

    pub(super) fn put(&mut self, mark: Mark) -> io::Result<()> {
        self.file.put(mark)?;
        self.mark = mark;
        self.unsynced.get_or_insert_with(Instant::now);
        Ok(())
    }

    /// When the mark is to be synced.
    pub(super) fn due(&self) -> Option<Instant> {
        self.unsynced.map(|since| since + MARK_PAUSE)
    }

    pub(super) fn sync(&mut self) -> io::Result<()> {
        if self.unsynced.is_some() {
            self.file.sync()?;
            self.unsynced = None;
        }
        Ok(())
    }
}
