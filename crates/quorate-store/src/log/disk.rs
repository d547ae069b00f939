use std::{ops::Range, path::Path};

use bytes::Bytes;
use prost::Message;
use quorate_proto::log::v1;
use rocksdb::{
    ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType, DBRawIterator, DBRecoveryMode, Direction,
    IteratorMode, Options, WriteBatch, WriteOptions,
};

use super::{
    queue::{Change, Group},
    view::after,
};
use crate::planted::{Bug, planted};
use crate::{Entry, LogId, StoreError, Vote, convert::ProtoForm};

const WHAT: &str = "the Raft log";

/// The entries: big-endian index → `Entry`. A family of its own, so that its files do not overlap and are moved
/// down without being rewritten, and dropped as a whole.
const ENTRIES: &str = "entries";
/// The three values below.
const META: &str = "meta";
const VOTE: &[u8] = b"vote";
const COMMITTED: &[u8] = b"committed";
const PURGED: &[u8] = b"purged";

/// The log in RocksDB.
///
/// A purge writes only its position. What lies below is never read, and goes when its whole file does: a range
/// tombstone would make the files overlap.
pub(super) struct Disk {
    db: DB,
}

/// What the disk had when it was opened.
#[derive(Default)]
pub(super) struct Recovered {
    /// The index of the first entry, or of the one to come.
    pub(super) first: u64,
    pub(super) purged: Option<LogId>,
    pub(super) last: Option<LogId>,
    pub(super) vote: Option<Vote>,
    pub(super) committed: Option<LogId>,
}

impl Disk {
    pub(super) fn open(path: &Path) -> Result<Disk, StoreError> {
        Disk::open_with(&options(), path)
    }

    pub(super) fn open_with(options: &Options, path: &Path) -> Result<Disk, StoreError> {
        let families = [
            ColumnFamilyDescriptor::new(ENTRIES, entries_options()),
            ColumnFamilyDescriptor::new(META, meta_options()),
        ];
        let db = DB::open_cf_descriptors(options, path, families).map_err(StoreError::rocksdb(WHAT))?;
        Ok(Disk { db })
    }

    pub(super) fn recover(&self) -> Result<Recovered, StoreError> {
        let purged = self.meta::<LogId>(PURGED)?;
        let start = after(purged);
        let from_start = IteratorMode::From(&key(start), Direction::Forward);
        let first = self.entry(self.db.iterator_cf(self.family(ENTRIES), from_start).next())?;
        let last = match first {
            Some(_) => self.entry(self.db.iterator_cf(self.family(ENTRIES), IteratorMode::End).next())?,
            None => None,
        };
        let first_index = first.map_or(start, |entry| entry.log_id.index);
        if purged.is_some() && first_index != start {
            let reason = format!("it was purged before {start}, but begins at {first_index}");
            return Err(StoreError::damaged(WHAT, reason));
        }
        Ok(Recovered {
            first: first_index,
            purged,
            last: last.map(|entry| entry.log_id).or(purged),
            vote: self.meta(VOTE)?,
            committed: self.meta(COMMITTED)?,
        })
    }

    /// Writes a group, with one sync if it has changes: the commit position alone needs none.
    pub(super) fn write(&self, group: &Group) -> Result<(), StoreError> {
        let (entries, meta) = (self.family(ENTRIES), self.family(META));
        let mut batch = WriteBatch::with_capacity_bytes(group.bytes);
        let mut buffer = Vec::new();
        let mut purged = None;
        for change in &group.changes {
            match change {
                Change::Append { entries: added, .. } => {
                    for entry in added {
                        buffer.clear();
                        entry.to_message().encode(&mut buffer).expect("a vector takes everything");
                        batch.put_cf(entries, key(entry.log_id.index), &buffer);
                    }
                }
                Change::Truncate { removed, .. } => {
                    batch.delete_range_cf(entries, key(removed.start), key(removed.end));
                }
                Change::Purge { upto } => {
                    batch.put_cf(meta, PURGED, upto.to_message().encode_to_vec());
                    purged = Some(upto.index);
                }
                Change::Vote { vote, .. } => batch.put_cf(meta, VOTE, vote.to_message().encode_to_vec()),
            }
        }
        match group.committed {
            Some(id) => batch.put_cf(meta, COMMITTED, id.to_message().encode_to_vec()),
            None => batch.delete_cf(meta, COMMITTED),
        }
        let mut options = WriteOptions::default();
        options.set_sync(!group.changes.is_empty() && !planted(Bug::AckBeforeFsync));
        self.db.write_opt(batch, &options).map_err(StoreError::rocksdb(WHAT))?;
        if let Some(purged) = purged {
            // Only now: files do not come back, the purge position might not have been durable.
            let dropped = self.db.delete_file_in_range_cf(entries, key(0), key(purged));
            dropped.map_err(StoreError::rocksdb(WHAT))?;
        }
        Ok(())
    }

    /// The log as it is on disk now.
    pub(super) fn snapshot(&self) -> DiskSnapshot<'_> {
        DiskSnapshot { entries: self.db.raw_iterator_cf(self.family(ENTRIES)) }
    }

    /// Has all entries in files that a purge can drop.
    #[cfg(test)]
    pub(super) fn settle(&self) -> Result<(), StoreError> {
        let entries = self.family(ENTRIES);
        self.db.flush_cf(entries).map_err(StoreError::rocksdb(WHAT))?;
        self.db.compact_range_cf(entries, None::<&[u8]>, None::<&[u8]>);
        Ok(())
    }

    fn meta<T: ProtoForm<Message: Message + Default>>(&self, key: &[u8]) -> Result<Option<T>, StoreError> {
        let value = self.db.get_pinned_cf(self.family(META), key).map_err(StoreError::rocksdb(WHAT))?;
        let decode = |bytes: &[u8]| {
            let message = T::Message::decode(bytes).map_err(|e| StoreError::damaged(WHAT, e))?;
            T::from_message(message).map_err(|e| StoreError::damaged(WHAT, e))
        };
        value.map(|bytes| decode(&bytes)).transpose()
    }

    /// What an iterator came upon.
    fn entry(&self, item: Option<Result<KeyValue, rocksdb::Error>>) -> Result<Option<Entry>, StoreError> {
        let Some((key, value)) = item.transpose().map_err(StoreError::rocksdb(WHAT))? else {
            return Ok(None);
        };
        decode(&key, value).map(Some)
    }

    fn family(&self, name: &str) -> &ColumnFamily {
        self.db.cf_handle(name).expect("opened with this family")
    }
}

type KeyValue = (Box<[u8]>, Box<[u8]>);

/// The log as it was on disk at one moment. An iterator, which keeps the files that it may read: a snapshot of RocksDB's
/// does not, and a purge drops files, whoever has a snapshot.
pub(super) struct DiskSnapshot<'a> {
    /// Made without reading anything.
    entries: DBRawIterator<'a>,
}

impl<'a> DiskSnapshot<'a> {
    /// The entries of a range, all of which the log must have.
    pub(super) fn entries(
        mut self,
        range: Range<u64>,
    ) -> impl Iterator<Item = Result<Entry, StoreError>> + 'a {
        self.entries.seek(key(range.start));
        range.map(move |index| {
            let entry = match self.entries.item() {
                Some((found, value)) if found == key(index) => decode(found, value.into())?,
                Some(_) | None => {
                    self.entries.status().map_err(StoreError::rocksdb(WHAT))?;
                    return Err(StoreError::damaged(WHAT, format!("the entry {index} is missing")));
                }
            };
            self.entries.next();
            Ok(entry)
        })
    }
}

/// Big-endian, so that the order of the bytes is that of the indexes.
fn key(index: u64) -> [u8; 8] {
    index.to_be_bytes()
}

fn decode(found: &[u8], value: Box<[u8]>) -> Result<Entry, StoreError> {
    let damaged =
        |e: &dyn std::fmt::Display| StoreError::damaged(WHAT, format!("the entry {found:02x?}: {e}"));
    // The batch stays a part of this one allocation.
    let message = v1::Entry::decode(Bytes::from(value)).map_err(|e| damaged(&e))?;
    let entry = Entry::from_message(message).map_err(|e| damaged(&e))?;
    if key(entry.log_id.index) != found {
        return Err(damaged(&format!("it says that it is {}", entry.log_id)));
    }
    Ok(entry)
}

pub(super) fn options() -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    // The default would open a log with a flipped bit as one that ends before it. A tail that was cut off is
    // opened, too: the high-water mark tells which.
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options.set_track_and_verify_wals_in_manifest(true);
    // The meta family hardly writes and would keep every old file; this bounds the replay at start.
    options.set_max_total_wal_size(128 << 20);
    options.set_keep_log_file_num(4);
    options
}

/// No compression, no bloom filter: every entry is written once, read about once, in order, and its payloads are
/// compressed where they stay, in the job table.
fn entries_options() -> Options {
    let mut options = Options::default();
    options.set_compression_type(DBCompressionType::None);
    options.set_write_buffer_size(32 << 20);
    options.set_max_write_buffer_number(4);
    // Files are moved, not merged, and only a moved file can be dropped.
    options.set_level_zero_file_num_compaction_trigger(2);
    options
}

fn meta_options() -> Options {
    let mut options = Options::default();
    options.set_compression_type(DBCompressionType::None);
    options.set_write_buffer_size(1 << 20);
    options
}
