use std::path::Path;

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType, DBPinnableSlice,
    DBRecoveryMode, IteratorMode, Options, ReadOptions, ReadTier, WriteBatch, checkpoint::Checkpoint,
};

use crate::StoreError;

/// The job table's RocksDB: its column families and its options, the only place that knows them.
pub(crate) struct Db(DB);

/// What is written, read and compacted together.
#[derive(Clone, Copy)]
pub(crate) enum Family {
    /// Records, images, keys, answers, the meta value: small and often rewritten.
    Default,
    /// Payloads and logs: large and written once.
    Bulk,
    /// Indexes: short-lived keys in an order.
    Idx,
}

impl Family {
    const ALL: [Family; 3] = [Family::Default, Family::Bulk, Family::Idx];

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

/// What a bounded scan meets.
pub(crate) enum Found {
    /// A row.
    Row(Row),
    /// So many entries of rows that are gone that it goes no further.
    TooMuchGone,
}

pub(crate) type Row = (Box<[u8]>, Box<[u8]>);

const WHAT: &str = "the job table";
/// One cache for all families, and for the next generation while the last one is still read.
const CACHE_BYTES: usize = 256 << 20;
const WRITE_BUFFER_BYTES: usize = 64 << 20;
/// An idle family must not pin the log of all others: a start would replay it.
const WAL_BYTES: u64 = 128 << 20;

/// The block cache that the generations of a table share.
pub(crate) fn block_cache() -> Cache {
    Cache::new_lru_cache(CACHE_BYTES)
}

impl Db {
    /// Makes a new database.
    pub(crate) fn create(path: &Path, cache: &Cache) -> Result<Db, StoreError> {
        let mut options = db_options();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        options.set_error_if_exists(true);
        DB::open_cf_descriptors(&options, path, families(cache)).map(Db).map_err(StoreError::rocksdb(WHAT))
    }

    /// Opens a database that is there.
    pub(crate) fn open(path: &Path, cache: &Cache) -> Result<Db, StoreError> {
        DB::open_cf_descriptors(&db_options(), path, families(cache)).map(Db).map_err(unreadable)
    }

    /// Opens a database to look into it, without changing it.
    pub(crate) fn open_read_only(path: &Path, cache: &Cache) -> Result<Db, StoreError> {
        DB::open_cf_descriptors_read_only(&db_options(), path, families(cache), false)
            .map(Db)
            .map_err(unreadable)
    }

    fn family(&self, family: Family) -> &ColumnFamily {
        self.0.cf_handle(family.name()).expect("every family was opened")
    }

    pub(crate) fn get(&self, family: Family, key: &[u8]) -> Result<Option<DBPinnableSlice<'_>>, StoreError> {
        self.0.get_pinned_cf(self.family(family), key).map_err(StoreError::rocksdb(WHAT))
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

    /// The rows below `end`, down to `from`, backwards. Gives up, with [`Found::TooMuchGone`], where more than
    /// `skipped` entries in a row are of rows that are gone.
    pub(crate) fn scan_back(
        &self,
        family: Family,
        from: &[u8],
        end: &[u8],
        skipped: u64,
    ) -> impl Iterator<Item = Result<Found, StoreError>> + '_ {
        let mut options = ReadOptions::default();
        options.set_iterate_range(from.to_vec()..end.to_vec());
        options.set_max_skippable_internal_keys(skipped);
        self.0.iterator_cf_opt(self.family(family), options, IteratorMode::End).map(|row| match row {
            Ok(row) => Ok(Found::Row(row)),
            Err(error) if error.kind() == rocksdb::ErrorKind::Incomplete => Ok(Found::TooMuchGone),
            Err(error) => Err(StoreError::rocksdb(WHAT)(error)),
        })
    }

    pub(crate) fn put(&self, batch: &mut WriteBatch, family: Family, key: &[u8], value: &[u8]) {
        batch.put_cf(self.family(family), key, value);
    }

    pub(crate) fn delete(&self, batch: &mut WriteBatch, family: Family, key: &[u8]) {
        batch.delete_cf(self.family(family), key);
    }

    /// Removes the rows from `from` on, below `end`.
    pub(crate) fn delete_range(&self, batch: &mut WriteBatch, family: Family, from: &[u8], end: &[u8]) {
        batch.delete_range_cf(self.family(family), from, end);
    }

    /// Writes a batch: all of it or nothing. Not synced: what a crash takes away, the Raft log brings back.
    pub(crate) fn write(&self, batch: WriteBatch) -> Result<(), StoreError> {
        self.0.write(batch).map_err(StoreError::rocksdb(WHAT))
    }

    /// Makes a copy in `path`, which must not exist, mostly of hard links. It holds all that was written before.
    pub(crate) fn checkpoint(&self, path: &Path) -> Result<(), StoreError> {
        Checkpoint::new(&self.0)
            .and_then(|checkpoint| checkpoint.create_checkpoint(path))
            .map_err(StoreError::rocksdb(WHAT))
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

fn db_options() -> Options {
    let mut options = Options::default();
    options.set_max_total_wal_size(WAL_BYTES);
    // The WAL is not synced, so after a power cut its end may be anything: what stands before the first record
    // that does not fit is taken, and the Raft log brings the rest.
    options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    options.set_keep_log_file_num(4);
    options
}

fn families(cache: &Cache) -> Vec<ColumnFamilyDescriptor> {
    Family::ALL.map(|family| ColumnFamilyDescriptor::new(family.name(), family_options(cache))).into()
}

fn family_options(cache: &Cache) -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    table.set_bloom_filter(10.0, false);
    table.set_format_version(6);
    let mut options = Options::default();
    options.set_block_based_table_factory(&table);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_write_buffer_size(WRITE_BUFFER_BYTES);
    options
}
