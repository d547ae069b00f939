use std::io;
use std::path::PathBuf;

use quorate_proto::Malformed;

use super::frame::LINE;
use crate::{StoreError, format};

/// Why something is not taken for a backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// It is something else.
    #[error("this is no backup: it does not begin with the line {:?}", LINE.trim_end())]
    Foreign,
    /// It is of a format that this version does not know.
    #[error("the backup is of another format: it begins with {0:?}, and this version reads {line:?}; use the version that made it", line = LINE.trim_end())]
    OtherFormat(String),
    /// Its rows are of a data format that this version does not know.
    #[error(
        "the backup has data of format {found}, made by version {version}, and this version reads format {reads}: restore it with the \
         version that made it",
        reads = format::NUMBER
    )]
    OtherRows {
        /// The format.
        found: u32,
        /// The program that made it.
        version: String,
    },
    /// A newer version made it.
    #[error("the backup is from a newer version of Quorate ({0}): use that version, or a newer one")]
    Newer(String),
    /// The end is missing.
    #[error("the backup is truncated: its end is missing behind {0} bytes")]
    Truncated(u64),
    /// It is not what was written.
    #[error("the backup is altered: {reason}, near byte {at}")]
    Altered {
        /// Where, in bytes from the beginning.
        at: u64,
        /// What does not fit.
        reason: String,
    },
    /// It is a pipe, or a directory.
    #[error("this is no regular file, and a backup is read twice to restore it: save it in a file first")]
    NoFile,
    /// It cannot be read.
    #[error("the backup cannot be read: {0}")]
    Read(io::Error),
}

impl BackupError {
    /// What is wrong with a row or the header.
    pub(super) fn of_store(at: u64, error: StoreError) -> BackupError {
        match error {
            StoreError::Newer { reason, .. } => BackupError::Newer(reason),
            other => BackupError::Altered { at, reason: other.to_string() },
        }
    }

    pub(super) fn malformed(at: u64, malformed: &Malformed) -> BackupError {
        let reason = malformed.to_string();
        if malformed.is_newer() { BackupError::Newer(reason) } else { BackupError::Altered { at, reason } }
    }
}

/// Why a backup was not restored. The directory is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The backup is at fault.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// There is something in the directory.
    #[error(
        "the directory {} is not empty, there is {found:?}: a backup is restored into an empty directory, or one that does not exist",
        dir.display()
    )]
    NotEmpty {
        /// The directory.
        dir: PathBuf,
        /// What is in it.
        found: String,
    },
    /// The directory cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}
