use std::collections::HashSet;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::rows::generation::Generation;
use crate::{SnapshotStore, StoreError};

/// What the job table takes of the disk, and how some of it is given back. A cheap handle.
#[derive(Clone)]
pub struct TableSpace {
    live: Arc<ArcSwap<Generation>>,
    snapshots: SnapshotStore,
}

impl TableSpace {
    pub(super) fn new(live: Arc<ArcSwap<Generation>>, snapshots: SnapshotStore) -> TableSpace {
        TableSpace { live, snapshots }
    }

    /// The bytes that are on the disk in the write-ahead log alone, about: a flush, and a snapshot, needs so many.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn unflushed(&self) -> Result<u64, StoreError> {
        self.live.load().db.unflushed()
    }

    /// Makes table files of what is in the write-ahead log alone. Blocks.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn flush(&self) -> Result<(), StoreError> {
        self.live.load_full().db.flush()
    }

    /// Gives back what removed jobs, payloads and logs still take, in the table and in the snapshot. Blocks, for as long as
    /// it takes to copy what stays of the files concerned; `room` says how many bytes may be taken for that now.
    ///
    /// # Errors
    /// [`StoreError::Io`], [`StoreError::DiskFull`].
    pub fn compact(&self, room: impl Fn() -> u64) -> Result<(), StoreError> {
        let generation = self.live.load_full();
        generation.db.flush()?;
        let mut tried = HashSet::new();
        while generation.db.compact_one(room(), &mut tried)? {
            if self.pinned()? > 0 {
                self.renew_snapshot()?;
            }
        }
        Ok(())
    }

    /// The bytes that the table does not have any more, and the last snapshot keeps.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn pinned(&self) -> Result<u64, StoreError> {
        self.snapshots.current().map_or(Ok(0), |current| current.snapshot.bytes_of_its_own())
    }

    /// Puts a snapshot of the table as it is now in the place of the last one. Blocks; needs room for what is unflushed.
    ///
    /// # Errors
    /// [`StoreError::Io`], [`StoreError::DiskFull`].
    pub fn renew_snapshot(&self) -> Result<(), StoreError> {
        let generation = self.live.load_full();
        self.snapshots.build(&generation.db).map(drop)
    }

    /// Ends a [`TableSpace::compact`] that is under way, since the table is closed.
    pub fn end(&self) {
        self.live.load().db.end_background_work();
    }
}
