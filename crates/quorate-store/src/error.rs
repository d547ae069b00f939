use std::io;
use std::path::{Path, PathBuf};

/// Why the store cannot go on, by what is to be done about it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process uses the data directory: it must end first.
    #[error("the data directory {} is in use by another process", .0.display())]
    Locked(PathBuf),
    /// The directory holds something else, or another version's data: another directory, or another version.
    #[error("the directory {} is no data directory of this version: {found}", path.display())]
    ForeignFormat {
        /// The directory.
        path: PathBuf,
        /// What was found there.
        found: String,
    },
    /// What is on disk is not what was written: stop, and let a person look.
    #[error("{what} is damaged: {reason}")]
    Damaged {
        /// Which part of the data directory.
        what: &'static str,
        /// What does not fit.
        reason: String,
    },
    /// The log is shorter than what this node has promised to remember: it must not vote under this id again. Set
    /// the directory aside and rejoin as a new node.
    #[error("the Raft log has lost entries: the high-water mark says {marked}, the log has {found}")]
    LostEntries {
        /// What the high-water mark says.
        marked: String,
        /// What the log has.
        found: String,
    },
    /// A snapshot that a peer sent is not what the peer says: refuse it, and let the peer try again. Nothing was changed.
    #[error("the received snapshot is refused: {reason}")]
    BadSnapshot {
        /// What does not fit.
        reason: String,
    },
    /// The operating system refused: the disk is full, not permitted, or dying.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// What the operating system said.
        source: io::Error,
    },
}

impl StoreError {
    pub(crate) fn damaged(what: &'static str, reason: impl ToString) -> StoreError {
        StoreError::Damaged { what, reason: reason.to_string() }
    }

    /// For `map_err` behind file operations: names the file.
    pub(crate) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
        let what = format!("cannot {what} {}", path.display());
        move |source| StoreError::Io { what, source }
    }

    /// For `map_err` behind RocksDB: `what` names the database. A checksum that does not fit is damage, the rest
    /// is the operating system's doing.
    pub(crate) fn rocksdb(what: &'static str) -> impl Fn(rocksdb::Error) -> StoreError {
        move |e| match e.kind() {
            rocksdb::ErrorKind::Corruption => StoreError::damaged(what, e),
            _ => StoreError::Io { what: what.to_owned(), source: io::Error::other(e) },
        }
    }
}

/// openraft knows only `io::Error`.
impl From<StoreError> for io::Error {
    fn from(e: StoreError) -> io::Error {
        io::Error::other(e)
    }
}
