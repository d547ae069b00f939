use std::{io, sync::Arc, thread, time::Instant};

use super::{
    mark_writer::MarkWriter,
    queue::Flush,
    shared::{Shared, Taken},
};
use crate::{LogId, StoreError, limits::FULL_DISK_PAUSE, metrics::METRICS, patience::Patience};

/// What the log's writer calls, once, when the disk failed. Nothing can be promised any more: the node ends the
/// process.
pub type OnFailure = Arc<dyn Fn(&StoreError) + Send + Sync>;

/// Writes a flush; durable when it returns.
pub(super) type WriteFlush = Box<dyn FnMut(&Flush) -> Result<(), StoreError> + Send>;

/// Brings the queued changes to the disk, on a thread of its own.
pub(super) struct FlushWriter {
    pub(super) shared: Arc<Shared>,
    pub(super) write: WriteFlush,
    pub(super) marks: MarkWriter,
    /// The commit position that is on the disk.
    pub(super) committed: Option<LogId>,
    pub(super) on_failure: OnFailure,
    pub(super) patience: Patience,
}

impl FlushWriter {
    /// Runs until the log is closed, or a write fails.
    pub(super) fn run(mut self) {
        loop {
            let due = self.marks.due();
            let result = match due {
                Some(due) if due <= Instant::now() => self.sync_mark(),
                Some(_) | None => match self.shared.take(due) {
                    Taken::Flush(flush) => match self.bring(&flush) {
                        Ok(()) => {
                            complete(flush, Ok(()));
                            Ok(())
                        }
                        Err(error) => return self.fail(&error, flush),
                    },
                    Taken::Nothing => Ok(()),
                    Taken::End => break,
                },
            };
            if let Err(error) = result {
                return self.fail(&error, Flush::default());
            }
        }
        if let Err(error) = self.conclude() {
            self.fail(&error, Flush::default());
        }
    }

    fn conclude(&mut self) -> Result<(), StoreError> {
        let committed = self.shared.committed();
        if committed != self.committed {
            // It had no flush to go with.
            self.write_when_there_is_room(&Flush { committed, ..Flush::default() })?;
        }
        self.sync_mark()
    }

    /// Makes a flush durable. When it returns, everything in it may be promised: the mark says so, and a vote's does on the disk.
    fn bring(&mut self, flush: &Flush) -> Result<(), StoreError> {
        let before = self.marks.mark;
        let (lowered, mark) = flush.marks(before);
        let held = lowered.unwrap_or(before);
        assert!(mark.covers(&held), "the mark goes back from {held:?} to {mark:?}");
        if let Some(lowered) = lowered {
            // The mark must never say more than the log has, also if a crash comes between the two.
            self.marks.put(lowered).map_err(mark_error)?;
            self.sync_mark()?;
        }
        self.write_when_there_is_room(flush)?;
        self.marks.put(mark).map_err(mark_error)?;
        if mark.vote != before.vote {
            self.sync_mark()?;
        }
        self.committed = flush.committed;
        self.shared.written(flush.appends);
        Ok(())
    }

    fn sync_mark(&mut self) -> Result<(), StoreError> {
        self.marks.sync().map_err(mark_error)
    }

    fn write_when_there_is_room(&mut self, flush: &Flush) -> Result<(), StoreError> {
        loop {
            let begun = Instant::now();
            match (self.write)(flush) {
                Err(error) if self.patience.bears(&error, "to the Raft log") => {
                    self.sync_mark()?;
                    thread::sleep(FULL_DISK_PAUSE);
                }
                result => {
                    self.patience.done();
                    measure(flush, begun);
                    return result;
                }
            }
        }
    }

    fn fail(&self, error: &StoreError, flush: Flush) {
        let reason = error.to_string();
        let queued = self.shared.fail(&reason);
        (self.on_failure)(error);
        complete(flush, Err(&reason));
        complete(queued, Err(&reason));
    }
}

/// What was synced, and how long it took since then.
fn measure(flush: &Flush, begun: Instant) {
    let entries = flush.entries();
    if entries > 0 {
        METRICS.log_sync.record(begun.elapsed());
        METRICS.log_entries.record(entries as f64);
        METRICS.log_written.increment(flush.bytes as u64);
    }
}

/// Answers everyone who waits, in order.
fn complete(flush: Flush, result: Result<(), &str>) {
    for change in flush.changes {
        change.complete(result);
    }
}

fn mark_error(source: io::Error) -> StoreError {
    StoreError::failed("cannot write the high-water mark".to_owned(), source)
}
