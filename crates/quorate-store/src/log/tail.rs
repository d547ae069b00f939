use std::{collections::VecDeque, ops::Range};

use openraft::EntryPayload;

use crate::Entry;

/// The end of the log in memory: at least everything that is not written yet, which no reader could find elsewhere.
pub(super) struct Tail {
    /// The index of the first entry here, or of the next one to come.
    first: u64,
    slots: VecDeque<Slot>,
    bytes: usize,
    /// The bytes that are kept even though they are written.
    limit: usize,
}

struct Slot {
    entry: Entry,
    bytes: usize,
    /// Where it stands in the log's bytes.
    offset: u64,
    /// Which append brought it.
    append: u64,
}

impl Tail {
    /// Empty, and `next` is the index to come.
    pub(super) fn new(next: u64, limit: usize) -> Tail {
        Tail { first: next, slots: VecDeque::new(), bytes: 0, limit }
    }

    /// The index of the first entry here; the disk has those before.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// Adds an entry that stands at `offset` in the log's bytes; returns where the next one will.
    pub(super) fn push(&mut self, entry: Entry, append: u64, offset: u64) -> u64 {
        assert_eq!(entry.log_id.index, self.first + self.slots.len() as u64, "the tail has no hole");
        let bytes = entry_bytes(&entry);
        self.bytes += bytes;
        self.slots.push_back(Slot { entry, bytes, offset, append });
        offset + bytes as u64
    }

    /// Where an entry stands in the log's bytes, if it is here.
    pub(super) fn offset(&self, index: u64) -> Option<u64> {
        let at = usize::try_from(index.checked_sub(self.first)?).ok()?;
        self.slots.get(at).map(|slot| slot.offset)
    }

    /// The first entry here that stands at `offset` or behind; the next one to come if there is none.
    pub(super) fn first_from(&self, offset: u64) -> u64 {
        self.first + self.slots.partition_point(|slot| slot.offset < offset) as u64
    }

    /// Empty, and an empty log may begin at any index.
    pub(super) fn begin_at(&mut self, index: u64) {
        assert!(self.slots.is_empty());
        self.first = index;
    }

    /// Forgets the entries from `index` on, which comes next.
    pub(super) fn truncate(&mut self, index: u64) {
        while self.slots.back().is_some_and(|slot| slot.entry.log_id.index >= index) {
            self.bytes -= self.slots.pop_back().map_or(0, |slot| slot.bytes);
        }
        self.first = self.first.min(index);
    }

    /// Forgets the entries before `index`.
    pub(super) fn drop_before(&mut self, index: u64) {
        while self.first < index && self.pop_front() {}
        self.first = self.first.max(index);
    }

    /// Forgets the oldest entries until the limit is kept, but none that came after the append number `written`.
    pub(super) fn evict(&mut self, written: u64) {
        while self.bytes > self.limit && self.slots.front().is_some_and(|slot| slot.append <= written) {
            self.pop_front();
        }
    }

    fn pop_front(&mut self) -> bool {
        let Some(slot) = self.slots.pop_front() else { return false };
        self.first += 1;
        self.bytes -= slot.bytes;
        true
    }

    /// The entries of a range that does not begin before the tail.
    pub(super) fn range(&self, range: Range<u64>) -> impl Iterator<Item = Entry> {
        assert!(range.is_empty() || range.start >= self.first, "the disk has what is before");
        let skipped = usize::try_from(range.start.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let entries = self.slots.iter().skip(skipped).map(|slot| slot.entry.clone());
        entries.take_while(move |entry| entry.log_id.index < range.end)
    }
}

/// About what an entry takes, in bytes. The log's bytes are counted by this.
pub(super) fn entry_bytes(entry: &Entry) -> usize {
    const FRAME: usize = 64;
    FRAME
        + match &entry.payload {
            EntryPayload::Blank => 0,
            EntryPayload::Normal(batch) => batch.0.len(),
            EntryPayload::Membership(m) => m.nodes().count() * 128,
        }
}
