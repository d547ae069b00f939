use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use super::{SnapshotDir, SnapshotReceiver};
use crate::files::checkpoint::copy_files;
use crate::files::{RemovableDir, durable};
use crate::rows::db::{Db, DbSettings};
use crate::rows::meta::Meta;
use crate::{OnFull, StoreError, TypeConfig, patience::Patience};
use openraft::alias::{SnapshotMetaOf, SnapshotOf};
use parking_lot::Mutex;
use quorate_core::FeatureLevel;

pub(super) type SnapshotMeta = SnapshotMetaOf<TypeConfig>;
type Snapshot = SnapshotOf<TypeConfig, SnapshotDir>;

const TEMPORARY: &str = "tmp-";
const COMPLETE: &str = "snapshot-";

/// The snapshots of a node: the current one, and what is being built or received. A cheap handle.
///
/// A snapshot is made in a directory `tmp-…` and becomes current by a rename to `snapshot-<log index>-…`, never an
/// older one in the place of a newer. A crash leaves what the next start removes.
#[derive(Clone)]
pub struct SnapshotStore(Arc<Inner>);

/// A [`SnapshotStore`] that does not count among those who have its snapshots.
#[derive(Clone)]
pub(crate) struct WeakSnapshots(Weak<Inner>);

impl WeakSnapshots {
    /// The store, while somebody has it.
    pub(crate) fn upgrade(&self) -> Option<SnapshotStore> {
        self.0.upgrade().map(SnapshotStore)
    }
}

struct Inner {
    root: PathBuf,
    settings: DbSettings,
    on_full: OnFull,
    /// What is of a higher feature level is refused.
    understood: FeatureLevel,
    current: Mutex<Option<Snapshot>>,
    /// Tells the directories of this run of the process apart.
    next: AtomicU64,
}

impl SnapshotStore {
    /// Finds the newest snapshot in `root` and removes all else.
    pub(crate) fn open(
        root: PathBuf,
        settings: DbSettings,
        on_full: OnFull,
        understood: FeatureLevel,
    ) -> Result<SnapshotStore, StoreError> {
        fs::create_dir_all(&root).map_err(StoreError::io("create", &root))?;
        let mut complete = Vec::new();
        for entry in fs::read_dir(&root).map_err(StoreError::io("list", &root))? {
            let path = entry.map_err(StoreError::io("list", &root))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.starts_with(COMPLETE) {
                complete.push(path);
            } else if name.starts_with(TEMPORARY) {
                fs::remove_dir_all(&path).map_err(StoreError::io("remove", &path))?;
            }
        }
        // The names are in the order of the log.
        complete.sort();
        let newest = complete.pop();
        for path in complete {
            fs::remove_dir_all(&path).map_err(StoreError::io("remove", &path))?;
        }
        let store = SnapshotStore(Arc::new(Inner {
            next: AtomicU64::new(newest.as_ref().map_or(0, |path| number(path) + 1)),
            root,
            settings,
            on_full,
            understood,
            current: Mutex::new(None),
        }));
        if let Some(path) = newest {
            let (meta, level) = store.meta(&path)?;
            let snapshot = SnapshotDir::read(RemovableDir::kept(path), level)?;
            *store.0.current.lock() = Some(Snapshot { meta, snapshot });
        }
        Ok(store)
    }

    pub(crate) fn downgrade(&self) -> WeakSnapshots {
        WeakSnapshots(Arc::downgrade(&self.0))
    }

    /// Whether nobody else has these snapshots any more: none is being built, received or installed.
    pub fn is_last(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }

    /// The current snapshot, if there is one.
    pub fn current(&self) -> Option<Snapshot> {
        self.0.current.lock().clone()
    }

    /// Begins to receive a snapshot from a peer.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub async fn receive(&self) -> Result<SnapshotReceiver, StoreError> {
        SnapshotReceiver::begin(self.clone(), self.temporary()).await
    }

    /// Checks that a snapshot holds what `meta` says, and gives its feature level. Reads the disk.
    ///
    /// # Errors
    /// [`StoreError::BadSnapshot`] when it holds something else or cannot be read.
    pub(crate) fn verify(&self, path: &Path, meta: &SnapshotMeta) -> Result<FeatureLevel, StoreError> {
        let (found, level) =
            self.meta(path).map_err(|error| StoreError::BadSnapshot { reason: error.to_string() })?;
        if found == *meta {
            Ok(level)
        } else {
            Err(StoreError::BadSnapshot { reason: format!("it is announced as {meta}, but holds {found}") })
        }
    }

    /// For a write that may find no room.
    pub(super) fn patience(&self) -> Patience {
        Patience::new(&self.0.on_full)
    }

    /// Makes a snapshot of a table, the current one unless there is a newer one. On disk when it returns.
    pub(crate) fn build(&self, db: &Db) -> Result<Snapshot, StoreError> {
        let dir = self.temporary();
        db.checkpoint(dir.path())?;
        self.publish(dir)
    }

    /// A directory, not made yet, for a snapshot in the making.
    pub(super) fn temporary(&self) -> RemovableDir {
        RemovableDir::temporary(self.0.root.join(format!("{TEMPORARY}{}", self.number())))
    }

    /// Makes a copy of an installed snapshot the current one, unless it is that already. On disk when it returns.
    pub(crate) fn adopt(&self, snapshot: &SnapshotDir, meta: &SnapshotMeta) -> Result<(), StoreError> {
        if self.current().is_some_and(|current| current.meta.last_log_id >= meta.last_log_id) {
            return Ok(());
        }
        let dir = self.temporary();
        copy_files(snapshot.path(), dir.path())?;
        self.publish(dir).map(drop)
    }

    /// Makes the complete snapshot in `dir` the current one, unless there is a newer one, and gives what is current then.
    /// One of the same log entry is replaced: the new one may take less of the disk.
    fn publish(&self, dir: RemovableDir) -> Result<Snapshot, StoreError> {
        let (meta, level) = self.meta(dir.path())?;
        let mut current = self.0.current.lock();
        if let Some(current) = current.as_ref()
            && current.meta.last_log_id > meta.last_log_id
        {
            return Ok(current.clone());
        }
        let index = meta.last_log_id.map_or(0, |last| last.index);
        let path = self.0.root.join(format!("{COMPLETE}{index:020}-{:010}", self.number()));
        durable::sync(dir.path()).map_err(StoreError::io("sync", dir.path()))?;
        fs::rename(dir.path(), &path).map_err(StoreError::io("rename", dir.path()))?;
        durable::sync(&self.0.root).map_err(StoreError::io("sync", &self.0.root))?;
        let snapshot = Snapshot { meta, snapshot: SnapshotDir::read(RemovableDir::kept(path), level)? };
        if let Some(last) = current.replace(snapshot.clone()) {
            last.snapshot.supersede();
        }
        Ok(snapshot)
    }

    /// What the checkpoint itself says that it holds.
    fn meta(&self, path: &Path) -> Result<(SnapshotMeta, FeatureLevel), StoreError> {
        let db = Db::open_read_only(path, &self.0.settings)?;
        let meta = Meta::read(&db)?;
        StoreError::check_level("the snapshot", meta.level, self.0.understood)?;
        Ok((meta.snapshot_meta(), meta.level))
    }

    fn number(&self) -> u64 {
        self.0.next.fetch_add(1, Ordering::Relaxed)
    }
}

/// The number at the end of a directory's name.
fn number(path: &Path) -> u64 {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}
