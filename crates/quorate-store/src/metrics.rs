//! What is measured of the log, the table and the snapshots: each name with its unit and its meaning, and a handle where it is
//! counted as it happens. The others are read when somebody looks: `meter.rs`.

use std::sync::LazyLock;

use metrics::{
    Counter, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, histogram,
};

const LOG_SYNC: &str = "quorate_raft_log_sync_seconds";
const LOG_ENTRIES: &str = "quorate_raft_log_entries_per_sync";
const LOG_WRITTEN: &str = "quorate_raft_log_written_bytes_total";
const APPLY: &str = "quorate_apply_seconds";
const APPLY_ENTRIES: &str = "quorate_apply_entries_per_write";
const STALL: &str = "quorate_store_write_stall_seconds";
const SNAPSHOT_BUILD: &str = "quorate_snapshot_build_seconds";
const SNAPSHOT_INSTALL: &str = "quorate_snapshot_install_seconds";

pub(crate) const LOG_BYTES: &str = "quorate_raft_log_bytes";
pub(crate) const SNAPSHOT_BYTES: &str = "quorate_snapshot_bytes";
pub(crate) const SNAPSHOT_TIME: &str = "quorate_snapshot_timestamp_seconds";
pub(crate) const TABLE_FILES: &str = "quorate_store_files_bytes";
pub(crate) const MEM_TABLES: &str = "quorate_store_mem_tables_bytes";
pub(crate) const CACHE: &str = "quorate_store_cache_bytes";
pub(crate) const COMPACTION_PENDING: &str = "quorate_store_compaction_pending_bytes";
pub(crate) const COMPACTIONS: &str = "quorate_store_compactions_running";
pub(crate) const FLUSHES: &str = "quorate_store_flushes_running";
pub(crate) const WRITES_STOPPED: &str = "quorate_store_writes_stopped";
pub(crate) const WRITES_SLOWED: &str = "quorate_store_writes_slowed_bytes_per_second";
pub(crate) const ERRORS: &str = "quorate_store_background_errors";

/// What is counted as it happens.
pub(crate) static METRICS: LazyLock<Metrics> = LazyLock::new(|| Metrics {
    log_sync: histogram!(LOG_SYNC),
    log_entries: histogram!(LOG_ENTRIES),
    log_written: counter!(LOG_WRITTEN),
    apply: histogram!(APPLY),
    apply_entries: histogram!(APPLY_ENTRIES),
    stall: histogram!(STALL),
    snapshot_build: histogram!(SNAPSHOT_BUILD),
    snapshot_install: histogram!(SNAPSHOT_INSTALL),
});

/// A handle each, which costs some nanoseconds to use.
pub(crate) struct Metrics {
    pub(crate) log_sync: Histogram,
    pub(crate) log_entries: Histogram,
    pub(crate) log_written: Counter,
    pub(crate) apply: Histogram,
    pub(crate) apply_entries: Histogram,
    pub(crate) stall: Histogram,
    pub(crate) snapshot_build: Histogram,
    pub(crate) snapshot_install: Histogram,
}

/// Makes what is counted known to the recorder of this process, before the first of it is.
pub fn register_metrics() {
    describe_metrics();
    LazyLock::force(&METRICS);
}

/// Says what each name means.
pub fn describe_metrics() {
    describe_histogram!(
        LOG_SYNC,
        Unit::Seconds,
        "How long a write of the Raft log took with its sync (fsync)."
    );
    describe_histogram!(LOG_ENTRIES, Unit::Count, "How many entries went into the Raft log with one sync.");
    describe_counter!(LOG_WRITTEN, Unit::Bytes, "What was written to the Raft log, since the node's start.");
    describe_gauge!(
        LOG_BYTES,
        Unit::Bytes,
        "What the Raft log holds: entries from its beginning to its end."
    );
    describe_histogram!(
        APPLY,
        Unit::Seconds,
        "How long it took to apply committed entries to the job table, with one write."
    );
    describe_histogram!(APPLY_ENTRIES, Unit::Count, "How many entries were applied with one write.");
    describe_histogram!(
        STALL,
        Unit::Seconds,
        "How long a write to the job table waited where RocksDB held it back because the disk is behind, the write included."
    );
    describe_histogram!(SNAPSHOT_BUILD, Unit::Seconds, "How long it took to make a snapshot.");
    describe_histogram!(
        SNAPSHOT_INSTALL,
        Unit::Seconds,
        "How long it took to install a snapshot of another node."
    );
    describe_gauge!(
        SNAPSHOT_BYTES,
        Unit::Bytes,
        "The size of the last snapshot's files, most of which the table shares."
    );
    describe_gauge!(
        SNAPSHOT_TIME,
        Unit::Seconds,
        "When the last snapshot was made, since the epoch by this node's clock."
    );
    describe_gauge!(
        TABLE_FILES,
        Unit::Bytes,
        "The table files of a database, db: the Raft log's or that of the jobs."
    );
    describe_gauge!(MEM_TABLES, Unit::Bytes, "What a database holds in memory that is in no table file yet.");
    describe_gauge!(CACHE, Unit::Bytes, "What the database's cache of blocks holds.");
    describe_gauge!(COMPACTION_PENDING, Unit::Bytes, "What compactions have to rewrite, about.");
    describe_gauge!(COMPACTIONS, Unit::Count, "Compactions that run now.");
    describe_gauge!(FLUSHES, Unit::Count, "Flushes that run now.");
    describe_gauge!(
        WRITES_STOPPED,
        Unit::Count,
        "1 while RocksDB lets nothing be written, since the disk is behind."
    );
    describe_gauge!(
        WRITES_SLOWED,
        Unit::CountPerSecond,
        "The bytes a second to which RocksDB slows writes down; 0 while it does not."
    );
    describe_gauge!(ERRORS, Unit::Count, "Errors of RocksDB in the background, since the node's start.");
}
