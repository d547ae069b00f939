//! The files of a checkpoint: which there are, and how a second directory gets them.

use std::fs;
use std::path::Path;

use super::durable;
use crate::StoreError;
use crate::limits::{SNAPSHOT_FILES, SNAPSHOT_NAME_BYTES};

/// A file of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotFile {
    /// A plain file name.
    pub name: String,
    /// Its length.
    pub bytes: u64,
}

/// True for the names of the files that make a checkpoint. All else, such as RocksDB's own LOG, is no part of it.
pub(crate) fn belongs(name: &str) -> bool {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
    let numbered = |stem: &str| !stem.is_empty() && stem.bytes().all(|byte| byte.is_ascii_digit());
    plain
        && name.len() <= SNAPSHOT_NAME_BYTES
        && (name == "CURRENT"
            || name.strip_prefix("MANIFEST-").is_some_and(numbered)
            || name.strip_prefix("OPTIONS-").is_some_and(numbered)
            || name.strip_suffix(".sst").is_some_and(numbered)
            || name.strip_suffix(".log").is_some_and(numbered))
}

/// The checkpoint's files in `dir`, by name.
pub(crate) fn list(dir: &Path) -> Result<Vec<SnapshotFile>, StoreError> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(StoreError::io("list", dir))? {
        let entry = entry.map_err(StoreError::io("list", dir))?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if belongs(&name) {
            let bytes = entry.metadata().map_err(StoreError::io("inspect", &entry.path()))?.len();
            files.push(SnapshotFile { name, bytes });
        }
    }
    if files.len() > SNAPSHOT_FILES {
        return Err(StoreError::damaged("the snapshot", format!("it has more than {SNAPSHOT_FILES} files")));
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}

/// Makes `to`, which must not exist, a copy of the checkpoint in `from`, and has it on disk when it returns. What
/// RocksDB never changes is linked, not copied.
pub(crate) fn copy_files(from: &Path, to: &Path) -> Result<(), StoreError> {
    fs::create_dir(to).map_err(StoreError::io("create", to))?;
    for file in list(from)? {
        let (source, target) = (from.join(&file.name), to.join(&file.name));
        if file.name.ends_with(".sst") && fs::hard_link(&source, &target).is_ok() {
            continue;
        }
        fs::copy(&source, &target).map_err(StoreError::io("write", &target))?;
        durable::sync(&target).map_err(StoreError::io("sync", &target))?;
    }
    for dir in [Some(to), to.parent()].into_iter().flatten() {
        durable::sync(dir).map_err(StoreError::io("sync", dir))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::belongs;

    #[test]
    fn only_the_names_of_a_checkpoint_belong() {
        for name in ["CURRENT", "MANIFEST-000005", "OPTIONS-000007", "000012.sst", "000013.log"] {
            assert!(belongs(name), "{name}");
        }
        for name in [
            "",
            ".",
            "..",
            "../CURRENT",
            "a/CURRENT",
            "LOG",
            "LOG.old.1",
            "LOCK",
            "IDENTITY",
            ".sst",
            "x.sst",
            "MANIFEST-",
        ] {
            assert!(!belongs(name), "{name}");
        }
        assert!(!belongs(&format!("{}.sst", "1".repeat(80))));
    }
}
