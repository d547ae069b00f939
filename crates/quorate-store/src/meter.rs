use std::os::unix::fs::MetadataExt;
use std::sync::Weak;

use arc_swap::ArcSwap;
use metrics::gauge;
use rocksdb::{DB, properties};

use crate::log::WeakLog;
use crate::metrics as names;
use crate::rows::generation::Generation;
use crate::snapshot::WeakSnapshots;
use crate::{JobTable, LogStore};

/// Reads how the log, the table and the snapshots are, for whoever watches. It keeps none of them open: once they are closed, it
/// has nothing to say.
#[derive(Clone)]
pub struct Meter {
    log: WeakLog,
    table: Weak<ArcSwap<Generation>>,
    snapshots: WeakSnapshots,
}

impl Meter {
    /// Of this log and this table.
    pub fn new(log: &LogStore, table: &JobTable) -> Meter {
        Meter {
            log: log.reader().downgrade(),
            table: table.downgrade(),
            snapshots: table.snapshots().downgrade(),
        }
    }

    /// Sets the gauges of the recorder that is in use here. Asks the disk: for a thread that may wait.
    pub fn record(&self) {
        if let Some(log) = self.log.upgrade() {
            // A log that failed ends the process, and says why.
            if let Ok(bytes) = log.bytes() {
                gauge!(names::LOG_BYTES).set(bytes as f64);
            }
            record_database("raft", log.database());
        }
        if let Some(table) = self.table.upgrade() {
            record_database("jobs", table.load().db.database());
        }
        let Some(current) = self.snapshots.upgrade().and_then(|snapshots| snapshots.current()) else {
            return;
        };
        let bytes: u64 = current.snapshot.files().iter().map(|file| file.bytes).sum();
        gauge!(names::SNAPSHOT_BYTES).set(bytes as f64);
        // It may be gone by now, since there is a newer one.
        if let Ok(dir) = current.snapshot.path().metadata() {
            gauge!(names::SNAPSHOT_TIME).set(dir.mtime() as f64);
        }
    }
}

/// What concerns a database as a whole, or the sum of what its families say.
fn record_database(name: &'static str, (db, families): (&DB, &[&str])) {
    let whole = |property: &properties::PropName| db.property_int_value(property).ok().flatten().unwrap_or(0);
    let sum = |property: &properties::PropName| -> u64 {
        let handles = families.iter().filter_map(|family| db.cf_handle(family));
        handles.filter_map(|family| db.property_int_value_cf(family, property).ok().flatten()).sum()
    };
    let set = |gauge: &'static str, value: u64| gauge!(gauge, "db" => name).set(value as f64);
    set(names::TABLE_FILES, sum(properties::TOTAL_SST_FILES_SIZE));
    set(names::MEM_TABLES, sum(properties::CUR_SIZE_ALL_MEM_TABLES));
    set(names::CACHE, whole(properties::BLOCK_CACHE_USAGE));
    set(names::COMPACTION_PENDING, sum(properties::ESTIMATE_PENDING_COMPACTION_BYTES));
    set(names::COMPACTIONS, whole(properties::NUM_RUNNING_COMPACTIONS));
    set(names::FLUSHES, whole(properties::NUM_RUNNING_FLUSHES));
    set(names::WRITES_STOPPED, whole(properties::IS_WRITE_STOPPED));
    set(names::WRITES_SLOWED, whole(properties::ACTUAL_DELAYED_WRITE_RATE));
    set(names::ERRORS, whole(properties::BACKGROUND_ERRORS));
}
