use std::{io, ops::Range};

use openraft::storage::IOFlushed;
use tokio::sync::oneshot;

use super::tail::entry_bytes;
use crate::{Entry, LogId, TypeConfig, Vote, high_water::Mark};

/// One change of the log, to be written.
pub(super) enum Change {
    /// The first of these stands at `offset` in the log's bytes, the others behind it.
    Append {
        entries: Vec<Entry>,
        offset: u64,
        flushed: IOFlushed<TypeConfig>,
    },
    Truncate {
        kept: Option<LogId>,
        removed: Range<u64>,
    },
    Purge {
        upto: LogId,
    },
    Vote {
        vote: Vote,
        saved: oneshot::Sender<io::Result<()>>,
    },
}

impl Change {
    /// Tells the one who waits for it that it is durable, or why it never will be.
    pub(super) fn complete(self, result: Result<(), &str>) {
        let result = result.map_err(io::Error::other);
        match self {
            Change::Append { flushed, .. } => flushed.io_completed(result),
            // It does not matter if nobody waits any more.
            Change::Vote { saved, .. } => drop(saved.send(result)),
            Change::Truncate { .. } | Change::Purge { .. } => {}
        }
    }
}

/// What goes to the disk in one write.
#[derive(Default)]
pub(super) struct Flush {
    pub(super) changes: Vec<Change>,
    /// Bytes of the entries, about.
    pub(super) bytes: usize,
    /// The number of the last append up to here.
    pub(super) appends: u64,
    /// The commit position when the flush was taken: not later than the entries it covers.
    pub(super) committed: Option<LogId>,
}

impl Flush {
    pub(super) fn push(&mut self, change: Change) {
        if let Change::Append { entries, .. } = &change {
            self.bytes += entries.iter().map(entry_bytes).sum::<usize>();
        }
        self.changes.push(change);
    }

    /// How many entries it brings.
    pub(super) fn entries(&self) -> usize {
        let entries = self.changes.iter().map(|change| match change {
            Change::Append { entries, .. } => entries.len(),
            Change::Truncate { .. } | Change::Purge { .. } | Change::Vote { .. } => 0,
        });
        entries.sum()
    }

    /// The mark to sync before the flush is written, if the flush cuts off what the mark holds; and the mark that
    /// is true once it is written.
    pub(super) fn marks(&self, before: Mark) -> (Option<Mark>, Mark) {
        let index = |id: Option<LogId>| id.map(|id| id.index);
        let (mut lowest, mut mark) = (before, before);
        for change in &self.changes {
            match change {
                Change::Append { entries, .. } => {
                    mark.last = entries.last().map(|entry| entry.log_id).or(mark.last);
                }
                Change::Truncate { kept, .. } => {
                    mark.last = *kept;
                    if index(*kept) < index(lowest.last) {
                        lowest.last = *kept;
                    }
                }
                Change::Purge { upto } => {
                    if index(mark.last) < Some(upto.index) {
                        mark.last = Some(*upto);
                    }
                }
                Change::Vote { vote, .. } => mark.vote = Some(*vote),
            }
        }
        ((lowest != before).then_some(lowest), mark)
    }
}
