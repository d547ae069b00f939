use std::path::PathBuf;

use tokio::fs::{self, File};
use tokio::io::AsyncWriteExt;

use super::store::SnapshotMeta;
use super::{SnapshotDir, SnapshotStore};
use crate::StoreError;
use crate::files::{RemovableDir, checkpoint, durable};
use crate::limits::SNAPSHOT_FILES;

/// A snapshot that is being received, file by file. Dropped before [`SnapshotReceiver::finish`], it leaves nothing.
pub struct SnapshotReceiver {
    store: SnapshotStore,
    dir: RemovableDir,
    files: usize,
    open: Option<OpenFile>,
}

struct OpenFile {
    path: PathBuf,
    file: File,
    left: u64,
    crc32c: u32,
}

impl SnapshotReceiver {
    /// Receives into `dir`, which must not exist, for `store`.
    pub(super) async fn begin(
        store: SnapshotStore,
        dir: RemovableDir,
    ) -> Result<SnapshotReceiver, StoreError> {
        fs::create_dir(dir.path()).await.map_err(StoreError::io("create", dir.path()))?;
        Ok(SnapshotReceiver { store, dir, files: 0, open: None })
    }

    /// Begins the next file.
    ///
    /// # Errors
    /// [`StoreError::BadSnapshot`] for a name that no file of a snapshot has, or while another file is open;
    /// [`StoreError::Io`] when it cannot be created.
    pub async fn begin_file(&mut self, name: &str, bytes: u64) -> Result<(), StoreError> {
        if self.open.is_some() {
            return Err(bad("a file begins before the last one ended"));
        }
        if !checkpoint::belongs(name) {
            return Err(bad(format!("{name:?} is no file of a snapshot")));
        }
        self.files += 1;
        if self.files > SNAPSHOT_FILES {
            return Err(bad("it has too many files"));
        }
        let path = self.dir.path().join(name);
        let file = File::create_new(&path).await.map_err(StoreError::io("create", &path))?;
        self.open = Some(OpenFile { path, file, left: bytes, crc32c: 0 });
        Ok(())
    }

    /// Appends to the open file.
    ///
    /// # Errors
    /// [`StoreError::BadSnapshot`] without an open file, or when it gets longer than it was announced;
    /// [`StoreError::Io`] when it cannot be written.
    pub async fn chunk(&mut self, data: &[u8]) -> Result<(), StoreError> {
        let open = self.open.as_mut().ok_or_else(|| bad("a chunk without a file"))?;
        open.left = open
            .left
            .checked_sub(data.len() as u64)
            .ok_or_else(|| bad(format!("{} is longer than announced", open.path.display())))?;
        open.crc32c = crc32c::crc32c_append(open.crc32c, data);
        open.file.write_all(data).await.map_err(StoreError::io("write", &open.path))
    }

    /// Ends the open file: it is complete and on disk.
    ///
    /// # Errors
    /// [`StoreError::BadSnapshot`] when its length or its CRC-32C is not what the sender says;
    /// [`StoreError::Io`] when it cannot be flushed.
    pub async fn end_file(&mut self, crc32c: u32) -> Result<(), StoreError> {
        let mut open = self.open.take().ok_or_else(|| bad("the end of no file"))?;
        if open.left > 0 {
            return Err(bad(format!("{} bytes of {} are missing", open.left, open.path.display())));
        }
        if open.crc32c != crc32c {
            return Err(bad(format!("the checksum of {} does not fit", open.path.display())));
        }
        open.file.flush().await.map_err(StoreError::io("write", &open.path))?;
        open.file.sync_all().await.map_err(StoreError::io("sync", &open.path))
    }

    /// The snapshot, complete, on disk, and holding what `meta` says. It goes with its last handle; installing it
    /// copies what is needed.
    ///
    /// # Errors
    /// [`StoreError::BadSnapshot`] when a file is still open, or when it cannot be read as a snapshot or holds
    /// something else; [`StoreError::Io`] when it cannot be flushed.
    pub async fn finish(self, meta: &SnapshotMeta) -> Result<SnapshotDir, StoreError> {
        if self.open.is_some() {
            return Err(bad("it ends within a file"));
        }
        let (meta, SnapshotReceiver { store, dir, .. }) = (meta.clone(), self);
        let finish = move || {
            durable::sync(dir.path()).map_err(StoreError::io("sync", dir.path()))?;
            let level = store.verify(dir.path(), &meta)?;
            SnapshotDir::read(dir, level)
        };
        let ended = tokio::task::spawn_blocking(finish).await;
        ended.unwrap_or_else(|error| Err(bad(error.to_string())))
    }
}

fn bad(reason: impl Into<String>) -> StoreError {
    StoreError::BadSnapshot { reason: reason.into() }
}
