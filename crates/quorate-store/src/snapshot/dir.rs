use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use quorate_core::FeatureLevel;
use tokio::fs::File;
use tokio::io::AsyncReadExt;

use crate::StoreError;
use crate::files::RemovableDir;
use crate::files::checkpoint::{self, SnapshotFile};

/// A complete snapshot: a directory with the files of a RocksDB checkpoint. A cheap handle: while one exists the
/// files stay, even when a newer snapshot has taken its place.
#[derive(Clone, Debug)]
pub struct SnapshotDir(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    dir: RemovableDir,
    files: Vec<SnapshotFile>,
    level: FeatureLevel,
}

impl SnapshotDir {
    /// The version of what a snapshot's files hold. A node refuses a snapshot with another one.
    pub const FORMAT: u32 = 7;

    /// The snapshot in `dir`: all files that belong to one are there.
    pub(super) fn read(dir: RemovableDir, level: FeatureLevel) -> Result<SnapshotDir, StoreError> {
        let files = checkpoint::list(dir.path())?;
        Ok(SnapshotDir(Arc::new(Inner { dir, files, level })))
    }

    /// The cluster's feature level in it.
    pub fn level(&self) -> FeatureLevel {
        self.0.level
    }

    /// Where the files are.
    pub fn path(&self) -> &Path {
        self.0.dir.path()
    }

    /// The files, by name.
    pub fn files(&self) -> &[SnapshotFile] {
        &self.0.files
    }

    /// Opens one of [`SnapshotDir::files`], to send it.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub async fn open(&self, file: &SnapshotFile) -> Result<FileReader, StoreError> {
        let path = self.path().join(&file.name);
        let opened = File::open(&path).await.map_err(StoreError::io("open", &path))?;
        Ok(FileReader { file: opened, path, left: file.bytes, crc32c: 0, _snapshot: self.clone() })
    }

    /// The bytes of those of its files that have no other name: they are nobody else's any more.
    pub(crate) fn bytes_of_its_own(&self) -> Result<u64, StoreError> {
        let own = |file: &SnapshotFile| {
            let path = self.path().join(&file.name);
            let meta = path.metadata().map_err(StoreError::io("inspect", &path))?;
            Ok(if meta.nlink() == 1 { meta.len() } else { 0 })
        };
        // Small ones are copies from the beginning.
        let tables = self.files().iter().filter(|file| file.name.ends_with(".sst"));
        tables.map(own).sum()
    }

    /// The directory goes with the last handle.
    pub(super) fn supersede(&self) {
        self.0.dir.remove();
    }
}

/// Reads a snapshot's file from its beginning to its end, in chunks.
#[derive(Debug)]
pub struct FileReader {
    file: File,
    path: PathBuf,
    left: u64,
    crc32c: u32,
    _snapshot: SnapshotDir, // keeps the file
}

impl FileReader {
    /// The next chunk, at most `max` bytes; `None` at the end.
    ///
    /// # Errors
    /// The file cannot be read, or is shorter than it was.
    pub async fn chunk(&mut self, max: usize) -> Result<Option<Bytes>, StoreError> {
        if self.left == 0 {
            return Ok(None);
        }
        let want = usize::try_from(self.left).unwrap_or(usize::MAX).min(max);
        let mut chunk = BytesMut::zeroed(want);
        self.file.read_exact(&mut chunk).await.map_err(StoreError::io("read", &self.path))?;
        self.crc32c = crc32c::crc32c_append(self.crc32c, &chunk);
        self.left -= want as u64;
        Ok(Some(chunk.freeze()))
    }

    /// CRC-32C of all chunks so far: at the end, of the whole file.
    pub fn crc32c(&self) -> u32 {
        self.crc32c
    }
}
