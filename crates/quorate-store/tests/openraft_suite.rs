//! openraft's own conformance suite, over the log on disk and the job table on disk.

#![allow(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

use std::sync::Arc;

use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use quorate_store::{AppliedEntry, ApplyObserver, DataDir, JobTable, LogStore, TypeConfig};
use tempfile::TempDir;

struct Unheard;

impl ApplyObserver for Unheard {
    fn applied(&self, _: AppliedEntry) {}

    fn installed(&self) {}
}

struct Directories;

impl StoreBuilder<TypeConfig, LogStore, JobTable, (DataDir, TempDir)> for Directories {
    async fn build(&self) -> Result<((DataDir, TempDir), LogStore, JobTable), StorageError<TypeConfig>> {
        let dir = TempDir::new().unwrap();
        let data_dir = DataDir::open(dir.path()).unwrap();
        let log = LogStore::open(&data_dir, Arc::new(|error| panic!("the log failed: {error}"))).unwrap();
        let table = JobTable::open(&data_dir, Arc::new(Unheard), quorate_core::FEATURE_LEVEL).unwrap();
        Ok(((data_dir, dir), log, table))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stores_keep_openrafts_contracts() {
    Suite::test_all(Directories).await.unwrap();
}
