use std::{io, sync::Arc, thread};

use super::{marker::Marker, queue::Flush, shared::Shared};
use crate::{LogId, StoreError, high_water::Mark, limits::FULL_DISK_PAUSE, patience::Patience};

/// What the log's writer calls, once, when the disk failed. Nothing can be promised any more: the node ends the
/// process.
pub type OnFailure = Arc<dyn Fn(&StoreError) + Send + Sync>;

/// Writes a flush; durable when it returns.
pub(super) type WriteFlush = Box<dyn FnMut(&Flush) -> Result<(), StoreError> + Send>;

/// Brings the queued changes to the disk, on a thread of its own.
pub(super) struct FlushWriter {
    pub(super) shared: Arc<Shared>,
    pub(super) write: WriteFlush,
    pub(super) marker: Marker,
    /// The mark of the last flush, durable or in flight.
    pub(super) mark: Mark,
    /// The commit position that is on the disk.
    pub(super) committed: Option<LogId>,
    pub(super) on_failure: OnFailure,
    pub(super) patience: Patience,
}

impl FlushWriter {
    /// Runs until the log is closed, or a write fails.
    pub(super) fn run(mut self) {
        while let Some(flush) = self.shared.take() {
            match self.bring(&flush) {
                Ok(()) => complete(flush, Ok(())),
                Err(error) => return self.fail(&error, flush),
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
        self.marker.wait().map_err(mark_error)
    }

    /// Makes a flush durable. When it returns, everything in it may be promised, because the mark trails the log by
    /// this one flush at most, and for a vote not at all.
    fn bring(&mut self, flush: &Flush) -> Result<(), StoreError> {
        let (lowered, mark) = flush.marks(self.mark);
        let held = lowered.unwrap_or(self.mark);
        assert!(mark.covers(&held), "the mark goes back from {held:?} to {mark:?}");
        if let Some(lowered) = lowered {
            // The mark must never say more than the log has, also if a crash comes between the two.
            self.marker.start(lowered).map_err(mark_error)?;
            self.marker.wait().map_err(mark_error)?;
        }
        self.write_when_there_is_room(flush)?;
        // The mark of the flush before has had the time of this flush's sync.
        self.marker.start(mark).map_err(mark_error)?;
        if mark.vote != self.mark.vote {
            self.marker.wait().map_err(mark_error)?;
        }
        self.mark = mark;
        self.committed = flush.committed;
        self.shared.written(flush.appends);
        Ok(())
    }

    fn write_when_there_is_room(&mut self, flush: &Flush) -> Result<(), StoreError> {
        loop {
            match (self.write)(flush) {
                Err(error) if self.patience.bears(&error, "to the Raft log") => {
                    thread::sleep(FULL_DISK_PAUSE)
                }
                result => {
                    self.patience.done();
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

/// Answers everyone who waits, in order.
fn complete(flush: Flush, result: Result<(), &str>) {
    for change in flush.changes {
        change.complete(result);
    }
}

fn mark_error(source: io::Error) -> StoreError {
    StoreError::failed("cannot write the high-water mark".to_owned(), source)
}
