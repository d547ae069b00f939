use std::{io, sync::Arc, thread};

use super::{marker::Marker, queue::Group, shared::Shared};
use crate::{LogId, StoreError, high_water::Mark, limits::FULL_DISK_PAUSE, patience::Patience};

/// What the log's writer calls, once, when the disk failed. Nothing can be promised any more: the node ends the
/// process.
pub type OnFailure = Arc<dyn Fn(&StoreError) + Send + Sync>;

/// Writes a group; durable when it returns.
pub(super) type WriteGroup = Box<dyn FnMut(&Group) -> Result<(), StoreError> + Send>;

/// Brings the queued changes to the disk, on a thread of its own.
pub(super) struct GroupWriter {
    pub(super) shared: Arc<Shared>,
    pub(super) write: WriteGroup,
    pub(super) marker: Marker,
    /// The mark of the last group, durable or in flight.
    pub(super) mark: Mark,
    /// The commit position that is on the disk.
    pub(super) committed: Option<LogId>,
    pub(super) on_failure: OnFailure,
    pub(super) patience: Patience,
}

impl GroupWriter {
    /// Runs until the log is closed, or a write fails.
    pub(super) fn run(mut self) {
        while let Some(group) = self.shared.take() {
            match self.bring(&group) {
                Ok(()) => complete(group, Ok(())),
                Err(error) => return self.fail(&error, group),
            }
        }
        if let Err(error) = self.conclude() {
            self.fail(&error, Group::default());
        }
    }

    fn conclude(&mut self) -> Result<(), StoreError> {
        let committed = self.shared.committed();
        if committed != self.committed {
            // It had no group to go with.
            self.write_when_there_is_room(&Group { committed, ..Group::default() })?;
        }
        self.marker.wait().map_err(mark_error)
    }

    /// Makes a group durable. When it returns, everything in it may be promised, because the mark trails the log by
    /// this one group at most, and for a vote not at all.
    fn bring(&mut self, group: &Group) -> Result<(), StoreError> {
        let (lowered, mark) = group.marks(self.mark);
        let held = lowered.unwrap_or(self.mark);
        assert!(mark.covers(&held), "the mark goes back from {held:?} to {mark:?}");
        if let Some(lowered) = lowered {
            // The mark must never say more than the log has, also if a crash comes between the two.
            self.marker.start(lowered).map_err(mark_error)?;
            self.marker.wait().map_err(mark_error)?;
        }
        self.write_when_there_is_room(group)?;
        // The mark of the group before has had the time of this group's sync.
        self.marker.start(mark).map_err(mark_error)?;
        if mark.vote != self.mark.vote {
            self.marker.wait().map_err(mark_error)?;
        }
        self.mark = mark;
        self.committed = group.committed;
        self.shared.written(group.appends);
        Ok(())
    }

    fn write_when_there_is_room(&mut self, group: &Group) -> Result<(), StoreError> {
        loop {
            match (self.write)(group) {
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

    fn fail(&self, error: &StoreError, group: Group) {
        let reason = error.to_string();
        let queued = self.shared.fail(&reason);
        (self.on_failure)(error);
        complete(group, Err(&reason));
        complete(queued, Err(&reason));
    }
}

/// Answers everyone who waits, in order.
fn complete(group: Group, result: Result<(), &str>) {
    for change in group.changes {
        change.complete(result);
    }
}

fn mark_error(source: io::Error) -> StoreError {
    StoreError::failed("cannot write the high-water mark".to_owned(), source)
}
