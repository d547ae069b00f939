//! What is on disk when a call returns.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use crate::StoreError;

/// Puts `contents` in the place of the file at `path`: after a crash there is the old file or the new one.
pub(crate) fn replace_file(path: &Path, contents: &[u8]) -> Result<(), StoreError> {
    let new = path.with_extension("new");
    let write = || {
        let mut file = File::create(&new)?;
        file.write_all(contents)?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        sync(path.parent().ok_or(io::ErrorKind::InvalidInput)?)
    };
    write().map_err(StoreError::io("write", path))
}

/// Makes a file's contents durable, or which files a directory has.
pub(crate) fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
