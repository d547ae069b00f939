use std::{io, ops::Range};

use openraft::LogIdOptionExt;

use super::{disk::Recovered, tail::Tail};
use crate::{Entry, LogId, Vote};

/// The log as Raft sees it: ahead of the disk by what is queued.
pub(super) struct View {
    /// The index of the first entry, or of the next one to come.
    first: u64,
    pub(super) purged: Option<LogId>,
    /// The last entry, or the purge position if there is none.
    pub(super) last: Option<LogId>,
    pub(super) vote: Option<Vote>,
    pub(super) committed: Option<LogId>,
    pub(super) tail: Tail,
    /// Where the next entry will stand in the log's bytes: each stands behind those before it, purged ones included.
    end: u64,
    /// How many appends there were.
    appends: u64,
}

impl View {
    /// Of a log of which the disk has everything. `tail_bytes` are kept in memory.
    pub(super) fn new(recovered: &Recovered, tail_bytes: usize) -> View {
        let &Recovered { first, purged, last, end, vote, committed } = recovered;
        let tail = Tail::new(last.next_index().max(first), tail_bytes);
        View { first, purged, last, vote, committed, tail, end, appends: 0 }
    }

    /// The indexes that the log has.
    pub(super) fn indexes(&self) -> Range<u64> {
        self.clamp(0..u64::MAX)
    }

    /// Where the next entry will stand in the log's bytes.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// How many appends there were: the number of the last one.
    pub(super) fn appends(&self) -> u64 {
        self.appends
    }

    /// Adds entries at the end.
    pub(super) fn append(&mut self, entries: &[Entry]) -> io::Result<()> {
        let mut last = self.last;
        for entry in entries {
            // An empty log may begin anywhere.
            if last.is_some_and(|last| entry.log_id.index != last.index + 1 || entry.log_id < last) {
                return Err(invalid(format!("{} cannot follow {last:?} in the log", entry.log_id)));
            }
            last = Some(entry.log_id);
        }
        if let (None, Some(entry)) = (self.last, entries.first()) {
            self.first = entry.log_id.index;
            self.tail.begin_at(self.first);
        }
        self.appends += 1;
        for entry in entries {
            self.end = self.tail.push(entry.clone(), self.appends, self.end);
        }
        self.last = last;
        Ok(())
    }

    /// Removes the entries after `kept`; returns their indexes. `offset_on_disk` says where an entry before the tail
    /// stands in the log's bytes.
    pub(super) fn truncate_after(
        &mut self,
        kept: Option<LogId>,
        offset_on_disk: impl FnOnce(u64) -> io::Result<u64>,
    ) -> io::Result<Range<u64>> {
        if kept.map(|id| id.index) < self.purged.map(|id| id.index) {
            return Err(invalid(format!("cannot truncate after {kept:?}: purged up to {:?}", self.purged)));
        }
        let removed = kept.next_index().max(self.first)..self.last.next_index();
        if !removed.is_empty() {
            self.end = match self.tail.offset(removed.start) {
                Some(offset) => offset,
                None => offset_on_disk(removed.start)?,
            };
            self.tail.truncate(removed.start);
            self.last = kept;
        }
        Ok(removed)
    }

    /// Removes the entries up to `upto`, which may lie behind the end. Returns whether that is new.
    pub(super) fn purge(&mut self, upto: LogId) -> bool {
        if self.purged.is_some_and(|purged| upto.index <= purged.index) {
            return false;
        }
        self.purged = Some(upto);
        self.first = self.first.max(upto.index + 1);
        self.tail.drop_before(upto.index + 1);
        if self.last.is_none_or(|last| last.index < upto.index) {
            self.last = Some(upto);
        }
        true
    }

    /// That part of a range of indexes which the log has.
    pub(super) fn clamp(&self, range: Range<u64>) -> Range<u64> {
        range.start.max(self.first)..range.end.min(self.last.next_index())
    }
}

fn invalid(reason: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, reason)
}
