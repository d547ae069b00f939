use std::{ops::Range, path::Path};

use bytes::{Buf, Bytes};
use openraft::LogIdOptionExt;
use prost::Message;
use quorate_proto::log::v1;
use rocksdb::{
    ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType, DBRawIterator, DBRecoveryMode,
    DEFAULT_COLUMN_FAMILY_NAME, Direction, IteratorMode, Options, WriteBatch, WriteOptions,
    properties::CUR_SIZE_ALL_MEM_TABLES,
};

use super::{
    queue::{Change, Flush},
    tail::entry_bytes,
};
use crate::sizes::{Sizes, in_memory};
use crate::{Entry, LogId, StoreError, Vote, convert::ProtoForm};

const WHAT: &str = "the Raft log";

/// The entries: big-endian index → where it stands in the log's bytes, big-endian, and `Entry`. A family of its own, so that its files do not overlap and are moved
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
    /// Where the next entry will stand in the log's bytes.
    pub(super) end: u64,
    pub(super) vote: Option<Vote>,
    pub(super) committed: Option<LogId>,
}

impl Disk {
    pub(super) fn open(path: &Path, sizes: Sizes) -> Result<Disk, StoreError> {
        Disk::open_with(&options(sizes), path, sizes)
    }

    pub(super) fn open_with(options: &Options, path: &Path, sizes: Sizes) -> Result<Disk, StoreError> {
        let db =
            DB::open_cf_descriptors(options, path, families(sizes)).map_err(StoreError::rocksdb(WHAT))?;
        Ok(Disk { db })
    }

    /// Opens it to look into it, without changing anything.
    pub(super) fn open_read_only(path: &Path, sizes: Sizes) -> Result<Disk, StoreError> {
        let mut options = options(sizes);
        options.create_if_missing(false);
        options.create_missing_column_families(false);
        let db = DB::open_cf_descriptors_read_only(&options, path, families(sizes), false);
        Ok(Disk { db: db.map_err(StoreError::rocksdb(WHAT))? })
    }

    pub(super) fn recover(&self) -> Result<Recovered, StoreError> {
        let purged = self.meta::<LogId>(PURGED)?;
        let start = purged.next_index();
        let from_start = IteratorMode::From(&key(start), Direction::Forward);
        let first = self.entry(self.db.iterator_cf(self.family(ENTRIES), from_start).next())?;
        let last = match first {
            Some(_) => self.entry(self.db.iterator_cf(self.family(ENTRIES), IteratorMode::End).next())?,
            None => None,
        };
        let first_index = first.map_or(start, |(_, entry)| entry.log_id.index);
        if purged.is_some() && first_index != start {
            let reason = format!("it was purged before {start}, but begins at {first_index}");
            return Err(StoreError::damaged(WHAT, reason));
        }
        Ok(Recovered {
            first: first_index,
            purged,
            last: last.as_ref().map(|(_, entry)| entry.log_id).or(purged),
            end: last.map_or(0, |(offset, entry)| offset + entry_bytes(&entry) as u64),
            vote: self.meta(VOTE)?,
            committed: self.meta(COMMITTED)?,
        })
    }

    /// Whether it has an entry, or has purged what was there: as large an index is no proof.
    pub(super) fn has(
        &self,
        id: LogId,
        purged: Option<LogId>,
        last: Option<LogId>,
    ) -> Result<bool, StoreError> {
        if purged.is_some_and(|purged| id.index <= purged.index) {
            return Ok(true);
        }
        if last.is_none_or(|last| last.index < id.index) {
            return Ok(false);
        }
        let entry = self.snapshot().entries(id.index..id.index + 1).next().transpose()?;
        Ok(entry.is_some_and(|entry| entry.log_id == id))
    }

    /// Writes a flush, with one sync if it has changes: the commit position alone needs none.
    pub(super) fn write(&self, flush: &Flush) -> Result<(), StoreError> {
        let mut options = WriteOptions::default();
        options.set_sync(!flush.changes.is_empty());
        self.write_opt(flush, &options)
    }

    pub(super) fn write_opt(&self, flush: &Flush, options: &WriteOptions) -> Result<(), StoreError> {
        let (entries, meta) = (self.family(ENTRIES), self.family(META));
        let mut batch = WriteBatch::with_capacity_bytes(flush.bytes);
        let mut buffer = Vec::new();
        let mut purged = None;
        for change in &flush.changes {
            match change {
                Change::Append { entries: added, offset, .. } => {
                    let mut offset = *offset;
                    for entry in added {
                        buffer.clear();
                        buffer.extend(offset.to_be_bytes());
                        offset += entry_bytes(entry) as u64;
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
        match flush.committed {
            Some(id) => batch.put_cf(meta, COMMITTED, id.to_message().encode_to_vec()),
            None => batch.delete_cf(meta, COMMITTED),
        }
        self.db.write_opt(batch, options).map_err(StoreError::rocksdb(WHAT))?;
        if let Some(purged) = purged {
            // Only now: files do not come back, the purge position might not have been durable.
            self.drop_files(purged)?;
        }
        Ok(())
    }

    /// The database, and the families that it has.
    pub(super) fn database(&self) -> (&DB, &[&'static str]) {
        (&self.db, &[ENTRIES, META])
    }

    /// The bytes that are in no table file yet.
    pub(super) fn unflushed(&self) -> Result<u64, StoreError> {
        [ENTRIES, META].into_iter().try_fold(0, |sum, family| {
            let bytes = self.db.property_int_value_cf(self.family(family), CUR_SIZE_ALL_MEM_TABLES);
            Ok(sum + bytes.map_err(StoreError::rocksdb(WHAT))?.unwrap_or(0))
        })
    }

    /// Gives back what purged entries still take: in the write-ahead log, and in files that no purge could drop because
    /// they had not moved down yet.
    pub(super) fn reclaim(&self) -> Result<(), StoreError> {
        for family in [ENTRIES, META] {
            self.db.flush_cf(self.family(family)).map_err(StoreError::rocksdb(WHAT))?;
        }
        let Some(purged) = self.meta::<LogId>(PURGED)? else { return Ok(()) };
        let end = key(purged.index);
        let files = self.db.live_files().map_err(StoreError::rocksdb(WHAT))?;
        let mut above = files.iter().filter(|file| file.column_family_name == ENTRIES && file.level == 0);
        if above.any(|file| file.end_key.as_deref().is_some_and(|last| last <= end.as_slice())) {
            self.db.compact_range_cf(self.family(ENTRIES), None::<&[u8]>, Some(end));
        }
        self.drop_files(purged.index)
    }

    /// Drops the files that hold nothing from `purged` on.
    fn drop_files(&self, purged: u64) -> Result<(), StoreError> {
        let dropped = self.db.delete_file_in_range_cf(self.family(ENTRIES), key(0), key(purged));
        dropped.map_err(StoreError::rocksdb(WHAT))
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
        let decode = |bytes: &[u8]| quorate_proto::decode::<T::Message>(bytes).and_then(T::from_message);
        let decoded = value.map(|bytes| decode(&bytes)).transpose();
        decoded.map_err(|malformed| StoreError::malformed(WHAT, &malformed))
    }

    /// What an iterator came upon.
    fn entry(
        &self,
        item: Option<Result<KeyValue, rocksdb::Error>>,
    ) -> Result<Option<(u64, Entry)>, StoreError> {
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
                Some((found, value)) if found == key(index) => decode(found, value.into())?.1,
                Some(_) | None => {
                    self.entries.status().map_err(StoreError::rocksdb(WHAT))?;
                    return Err(missing(index));
                }
            };
            self.entries.next();
            Ok(entry)
        })
    }

    /// Where an entry that the log must have stands in the log's bytes.
    pub(super) fn offset(&mut self, index: u64) -> Result<u64, StoreError> {
        self.entries.seek(key(index));
        let entry = self.entries.item().filter(|(found, _)| *found == key(index));
        match entry.map(|(_, value)| value.first_chunk()) {
            Some(Some(offset)) => Ok(u64::from_be_bytes(*offset)),
            Some(None) => Err(StoreError::damaged(WHAT, format!("the entry {index} is too short"))),
            None => {
                self.entries.status().map_err(StoreError::rocksdb(WHAT))?;
                Err(missing(index))
            }
        }
    }
}

/// Big-endian, so that the order of the bytes is that of the indexes.
fn key(index: u64) -> [u8; 8] {
    index.to_be_bytes()
}

fn missing(index: u64) -> StoreError {
    StoreError::damaged(WHAT, format!("the entry {index} is missing"))
}

/// The entry, and where it stands in the log's bytes.
fn decode(found: &[u8], value: Box<[u8]>) -> Result<(u64, Entry), StoreError> {
    let damaged =
        |e: &dyn std::fmt::Display| StoreError::damaged(WHAT, format!("the entry {found:02x?}: {e}"));
    // The batch stays a part of this one allocation.
    let mut value = Bytes::from(value);
    let offset = value.try_get_u64().map_err(|e| damaged(&e))?;
    let entry = quorate_proto::decode::<v1::Entry>(value).and_then(Entry::from_message);
    let entry = entry.map_err(|malformed| match malformed.is_newer() {
        true => StoreError::malformed(WHAT, &malformed),
        false => damaged(&malformed),
    })?;
    if key(entry.log_id.index) != found {
        return Err(damaged(&format!("it says that it is {}", entry.log_id)));
    }
    Ok((offset, entry))
}

pub(super) fn options(sizes: Sizes) -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    // The default would open a log with a flipped bit as one that ends before it. A tail that was cut off is
    // opened, too: the high-water mark tells which.
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options.set_track_and_verify_wals_in_manifest(true);
    // The meta family hardly writes and would keep every old file; this bounds the replay at start.
    options.set_max_total_wal_size(sizes.wal);
    sizes.bound_notes(&mut options);
    sizes.bound_open_files(&mut options);
    options
}

fn families(sizes: Sizes) -> [ColumnFamilyDescriptor; 3] {
    [
        ColumnFamilyDescriptor::new(ENTRIES, entries_options(sizes)),
        ColumnFamilyDescriptor::new(META, meta_options()),
        // Every database has it. RocksDB takes a place for its write-ahead log by the largest buffer of all, so that this one's,
        // left as it is by default, would take most of a small disk's reserve.
        ColumnFamilyDescriptor::new(DEFAULT_COLUMN_FAMILY_NAME, meta_options()),
    ]
}

/// No compression, no bloom filter: every entry is written once, read about once, in order, and its payloads are
/// compressed where they stay, in the job table.
fn entries_options(sizes: Sizes) -> Options {
    let mut options = Options::default();
    options.set_compression_type(DBCompressionType::None);
    options.set_write_buffer_size(in_memory(sizes.log_buffer));
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
