use std::collections::HashSet;
use std::path::Path;
use std::time::Instant;

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, CompactOptions, DB, DBCompressionType,
    DBPinnableSlice, DBRecoveryMode, IteratorMode, LiveFile, Options, ReadOptions, ReadTier, Snapshot,
    WriteBatch, WriteOptions, checkpoint::Checkpoint, properties::CUR_SIZE_ALL_MEM_TABLES,
};

use super::codec::WHAT;
use crate::StoreError;
use crate::blocking::blocking;
use crate::limits;
use crate::metrics::METRICS;
use crate::sizes::{Sizes, in_memory};

/// The job table's RocksDB: its column families and its options, the only place that knows them.
pub(crate) struct Db(DB);

/// What is written, read and compacted together.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// Records, images, keys, answers, the meta value: small and often rewritten.
    Default,
    /// Payloads and logs: large and written once.
    Bulk,
    /// Indexes, queued jobs' records among them: short-lived keys in an order.
    Idx,
}

impl Family {
    pub(crate) const ALL: [Family; 3] = [Family::Default, Family::Bulk, Family::Idx];

    fn name(self) -> &'static str {
        match self {
            Family::Default => "default",
            Family::Bulk => "bulk",
            Family::Idx => "idx",
        }
    }
}

/// What a read found that must not wait for the disk.
pub(crate) enum Cached<T> {
    /// It is in memory, or it is known that there is nothing.
    Known(Option<T>),
    /// Only the disk knows.
    OnDisk,
}

pub(crate) type Row = (Box<[u8]>, Box<[u8]>);

/// A buffer remembers for each kind of row, which is the first byte of its key, where it put the last one: the next is most
/// often beside it. (No function of the binding sets it.)
const INSERT_BY_KIND: &str = "memtable_insert_with_hint_prefix_extractor=rocksdb.FixedPrefix.1";

/// The share of a file's rows that are removals, from which on it is merged at once.
const DELETION_RATIO: f64 = 0.5;
/// Or so many of them in a row.
const DELETION_WINDOW: usize = 128;

/// What the generations of a table, and the snapshots, are opened with.
#[derive(Clone)]
pub(crate) struct DbSettings {
    /// They share it.
    pub(crate) cache: Cache,
    pub(crate) sizes: Sizes,
}

impl DbSettings {
    pub(crate) fn new(sizes: Sizes) -> DbSettings {
        DbSettings { cache: Cache::new_lru_cache(limits::CACHE_BYTES), sizes }
    }
}

impl Db {
    /// Makes a new database.
    pub(crate) fn create(path: &Path, settings: &DbSettings) -> Result<Db, StoreError> {
        let mut options = db_options(settings);
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        options.set_error_if_exists(true);
        DB::open_cf_descriptors(&options, path, families(settings)).map(Db).map_err(StoreError::rocksdb(WHAT))
    }

    /// Opens a database that is there.
    pub(crate) fn open(path: &Path, settings: &DbSettings) -> Result<Db, StoreError> {
        DB::open_cf_descriptors(&db_options(settings), path, families(settings)).map(Db).map_err(unreadable)
    }

    /// Opens a database to look into it, without changing it.
    pub(crate) fn open_read_only(path: &Path, settings: &DbSettings) -> Result<Db, StoreError> {
        DB::open_cf_descriptors_read_only(&db_options(settings), path, families(settings), false)
            .map(Db)
            .map_err(unreadable)
    }

    fn family(&self, family: Family) -> &ColumnFamily {
        self.0.cf_handle(family.name()).expect("every family was opened")
    }

    /// What is not in memory is read beside the runtime's other tasks.
    pub(crate) fn get(&self, family: Family, key: &[u8]) -> Result<Option<DBPinnableSlice<'_>>, StoreError> {
        match self.get_cached(family, key)? {
            Cached::Known(found) => Ok(found),
            Cached::OnDisk => {
                blocking(|| self.0.get_pinned_cf(self.family(family), key)).map_err(StoreError::rocksdb(WHAT))
            }
        }
    }

    /// As [`Db::get`], from memory alone.
    pub(crate) fn get_cached(
        &self,
        family: Family,
        key: &[u8],
    ) -> Result<Cached<DBPinnableSlice<'_>>, StoreError> {
        let mut options = ReadOptions::default();
        options.set_read_tier(ReadTier::BlockCache);
        match self.0.get_pinned_cf_opt(self.family(family), key, &options) {
            Ok(found) => Ok(Cached::Known(found)),
            Err(error) if error.kind() == rocksdb::ErrorKind::Incomplete => Ok(Cached::OnDisk),
            Err(error) => Err(StoreError::rocksdb(WHAT)(error)),
        }
    }

    /// The rows from `from` on, below `end`, in order.
    pub(crate) fn scan(
        &self,
        family: Family,
        from: &[u8],
        end: &[u8],
    ) -> impl Iterator<Item = Result<Row, StoreError>> + '_ {
        let mut options = ReadOptions::default();
        options.set_iterate_range(from.to_vec()..end.to_vec());
        self.0
            .iterator_cf_opt(self.family(family), options, IteratorMode::Start)
            .map(|row| row.map_err(StoreError::rocksdb(WHAT)))
    }

    /// What is there now, whatever is written from now on.
    pub(crate) fn view(&self) -> View<'_> {
        View { db: self, snapshot: self.0.snapshot() }
    }

    pub(crate) fn put(&self, batch: &mut WriteBatch, family: Family, key: &[u8], value: &[u8]) {
        batch.put_cf(self.family(family), key, value);
    }

    /// As [`Db::delete`], for a row that was put once since it was deleted last: the two annihilate each other as soon as
    /// they meet, while a deletion stays until nothing older can be below it.
    pub(crate) fn delete_single(&self, batch: &mut WriteBatch, family: Family, key: &[u8]) {
        batch.single_delete_cf(self.family(family), key);
    }

    pub(crate) fn delete(&self, batch: &mut WriteBatch, family: Family, key: &[u8]) {
        batch.delete_cf(self.family(family), key);
    }

    /// Removes the rows from `from` on, below `end`.
    pub(crate) fn delete_range(&self, batch: &mut WriteBatch, family: Family, from: &[u8], end: &[u8]) {
        batch.delete_range_cf(self.family(family), from, end);
    }

    /// Writes a batch: all of it or nothing. Not synced: what a crash takes away, the Raft log brings back. A write into memory
    /// is made at once; one that is large, or that RocksDB holds back because the disk is behind, beside the runtime's other
    /// tasks.
    pub(crate) fn write(&self, batch: WriteBatch) -> Result<(), StoreError> {
        let patiently = |batch| blocking(|| self.0.write(batch)).map_err(StoreError::rocksdb(WHAT));
        if batch.size_in_bytes() > limits::WRITE_AT_ONCE_BYTES {
            return patiently(batch);
        }
        let again = WriteBatch::from_data(batch.data());
        let mut at_once = WriteOptions::default();
        at_once.set_no_slowdown(true);
        match self.0.write_opt(batch, &at_once) {
            Err(error) if error.kind() == rocksdb::ErrorKind::Incomplete => {
                let begun = Instant::now();
                let written = patiently(again);
                METRICS.stall.record(begun.elapsed());
                written
            }
            written => written.map_err(StoreError::rocksdb(WHAT)),
        }
    }

    /// As [`Db::write`], past the write-ahead log: it is on the disk after a [`Db::flush`] alone. For what is begun anew where
    /// it does not end.
    pub(crate) fn load(&self, batch: WriteBatch) -> Result<(), StoreError> {
        let mut options = WriteOptions::default();
        options.disable_wal(true);
        self.0.write_opt(batch, &options).map_err(StoreError::rocksdb(WHAT))
    }

    /// The database, and the families that it has.
    pub(crate) fn database(&self) -> (&DB, &[&'static str]) {
        (&self.0, &["default", "bulk", "idx"])
    }

    /// The bytes that are in no table file yet.
    pub(crate) fn unflushed(&self) -> Result<u64, StoreError> {
        Family::ALL.into_iter().try_fold(0, |sum, family| {
            let bytes = self.0.property_int_value_cf(self.family(family), CUR_SIZE_ALL_MEM_TABLES);
            Ok(sum + bytes.map_err(StoreError::rocksdb(WHAT))?.unwrap_or(0))
        })
    }

    /// Makes table files of what is in none yet, so that the write-ahead log can go.
    pub(crate) fn flush(&self) -> Result<(), StoreError> {
        let families = Family::ALL.map(|family| self.family(family));
        families.into_iter().try_for_each(|family| self.0.flush_cf(family)).map_err(StoreError::rocksdb(WHAT))
    }

    /// Merges one file that removes rows with what it removes: the one of which least stays, if that is likely to take no
    /// more than `room` bytes. False when there is none but those in `tried`, by name. Blocks.
    pub(crate) fn compact_one(&self, room: u64, tried: &mut HashSet<String>) -> Result<bool, StoreError> {
        let files = self.0.live_files().map_err(StoreError::rocksdb(WHAT))?;
        let concerned = files.iter().filter(|file| file.num_deletions > 0 && !tried.contains(&file.name));
        let stays = concerned.map(|file| (stays(file, &files), file)).filter(|(bytes, _)| *bytes <= room);
        let Some((_, file)) = stays.min_by_key(|(bytes, _)| *bytes) else { return Ok(false) };
        // What has not come to the end of its way yet is in a new file, and has its turn.
        tried.insert(file.name.clone());
        let mut options = CompactOptions::default();
        options.set_exclusive_manual_compaction(false);
        let family = self.0.cf_handle(&file.column_family_name).expect("every family was opened");
        let (from, to) = (file.start_key.as_ref(), file.end_key.as_ref());
        self.0.compact_range_cf_opt(family, from, to, &options);
        Ok(true)
    }

    /// Ends what runs in the background, a compaction that somebody waits for included. The database is of no use
    /// after it.
    pub(crate) fn end_background_work(&self) {
        self.0.cancel_all_background_work(false);
    }

    /// Makes a copy in `path`, which must not exist, mostly of hard links. It holds all that was written before.
    pub(crate) fn checkpoint(&self, path: &Path) -> Result<(), StoreError> {
        Checkpoint::new(&self.0)
            .and_then(|checkpoint| checkpoint.create_checkpoint(path))
            .map_err(StoreError::rocksdb(WHAT))
    }
}

/// About how many bytes stay when this file is merged with those that it overlaps.
fn stays(file: &LiveFile, files: &[LiveFile]) -> u64 {
    let overlaps = |other: &&LiveFile| {
        other.column_family_name == file.column_family_name
            && other.start_key <= file.end_key
            && other.end_key >= file.start_key
    };
    let (mut bytes, mut rows, mut removals) = (0, 0, 0);
    for other in files.iter().filter(overlaps) {
        bytes += other.size as u64;
        rows += other.num_entries.saturating_sub(other.num_deletions);
        removals += other.num_deletions;
    }
    let left = rows.saturating_sub(removals);
    (u128::from(bytes) * u128::from(left) / u128::from(rows.max(1))) as u64
}

/// The rows of one moment.
pub(crate) struct View<'a> {
    db: &'a Db,
    snapshot: Snapshot<'a>,
}

impl<'db> View<'db> {
    /// As [`Db::get`].
    pub(crate) fn get(&self, family: Family, key: &[u8]) -> Result<Option<DBPinnableSlice<'_>>, StoreError> {
        self.snapshot.get_pinned_cf(self.db.family(family), key).map_err(StoreError::rocksdb(WHAT))
    }

    /// As [`Db::scan`].
    pub(crate) fn scan<'view>(
        &'view self,
        family: Family,
        from: &[u8],
        end: &[u8],
    ) -> impl Iterator<Item = Result<Row, StoreError>> + use<'view, 'db> {
        self.rows(family, from, end, IteratorMode::Start)
    }

    /// All rows of a family, in order. They stay out of the cache, where they would take the place of what is asked for.
    pub(crate) fn all<'view>(
        &'view self,
        family: Family,
    ) -> impl Iterator<Item = Result<Row, StoreError>> + use<'view, 'db> {
        let mut options = ReadOptions::default();
        options.fill_cache(false);
        options.set_readahead_size(limits::READ_AHEAD_BYTES);
        let rows = self.snapshot.iterator_cf_opt(self.db.family(family), options, IteratorMode::Start);
        rows.map(|row| row.map_err(StoreError::rocksdb(WHAT)))
    }

    /// The rows below `end`, down to `from`, backwards.
    pub(crate) fn scan_back<'view>(
        &'view self,
        family: Family,
        from: &[u8],
        end: &[u8],
    ) -> impl Iterator<Item = Result<Row, StoreError>> + use<'view, 'db> {
        self.rows(family, from, end, IteratorMode::End)
    }

    fn rows<'view>(
        &'view self,
        family: Family,
        from: &[u8],
        end: &[u8],
        mode: IteratorMode<'_>,
    ) -> impl Iterator<Item = Result<Row, StoreError>> + use<'view, 'db> {
        let mut options = ReadOptions::default();
        options.set_iterate_range(from.to_vec()..end.to_vec());
        let rows = self.snapshot.iterator_cf_opt(self.db.family(family), options, mode);
        rows.map(|row| row.map_err(StoreError::rocksdb(WHAT)))
    }
}

/// A database that was there and cannot be opened is damaged, whatever RocksDB calls it.
fn unreadable(error: rocksdb::Error) -> StoreError {
    match error.kind() {
        rocksdb::ErrorKind::Corruption
        | rocksdb::ErrorKind::NotFound
        | rocksdb::ErrorKind::NotSupported
        | rocksdb::ErrorKind::InvalidArgument
        | rocksdb::ErrorKind::Unknown => StoreError::damaged(WHAT, error),
        _ => StoreError::rocksdb(WHAT)(error),
    }
}

fn db_options(settings: &DbSettings) -> Options {
    let mut options = Options::default();
    // An idle family must not pin the log of all others: a start would replay it.
    options.set_max_total_wal_size(settings.sizes.wal);
    // The WAL is not synced, so after a power cut its end may be anything: what stands before the first record
    // that does not fit is taken, and the Raft log brings the rest.
    options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    settings.sizes.bound_notes(&mut options);
    settings.sizes.bound_open_files(&mut options);
    options
}

fn families(settings: &DbSettings) -> Vec<ColumnFamilyDescriptor> {
    let options = |family| {
        let mut options = family_options(settings);
        if matches!(family, Family::Bulk) {
            // A file that mostly removes rows is merged with them, however few such files there are: the rows are large.
            options.add_compact_on_deletion_collector_factory(
                DELETION_WINDOW,
                DELETION_WINDOW,
                DELETION_RATIO,
            );
        }
        options
    };
    Family::ALL.map(|family| ColumnFamilyDescriptor::new(family.name(), options(family))).into()
}

fn family_options(settings: &DbSettings) -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(&settings.cache);
    table.set_bloom_filter(10.0, false);
    table.set_format_version(6);
    // A quarter of the default's index, which is in memory beside the cache, for millions of jobs.
    table.set_block_size(limits::BLOCK_BYTES);
    let mut options =
        Options::default().get_options_from_string(INSERT_BY_KIND).expect("RocksDB has the option");
    options.set_block_based_table_factory(&table);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_write_buffer_size(in_memory(settings.sizes.table_buffer));
    options.set_target_file_size_base(settings.sizes.table_buffer);
    options.set_max_bytes_for_level_base(settings.sizes.compaction);
    options.set_max_compaction_bytes(settings.sizes.compaction);
    options
}
