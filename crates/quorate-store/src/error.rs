use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use quorate_core::FeatureLevel;
use quorate_proto::Malformed;

use crate::Lost;

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
    /// A newer version of the program wrote it: start that one, or a newer one. Nothing was changed.
    #[error(
        "{what} is from a newer version of Quorate ({reason}): start this node with that version, or a newer one"
    )]
    Newer {
        /// Which part of the data directory.
        what: &'static str,
        /// What this version does not understand.
        reason: String,
    },
    /// The log has less than what this node has promised to remember: it must not vote under this id again. Set
    /// the directory aside and rejoin as a new node.
    #[error("the Raft log has lost entries or votes: it had {marked}, and has {found}")]
    LostEntries {
        /// Of which kind.
        lost: Lost,
        /// What it had, by the high-water mark or by its own entries.
        marked: String,
        /// What the log has.
        found: String,
    },
    /// A peer had this node vote in a term that no cluster reaches (no node takes such a vote any more). Raft cannot go on from
    /// there: a node of an intact majority joins anew with an empty directory; a cluster that has lost its majority so is restored.
    #[error(
        "the log's vote is of term {term}, which no cluster reaches: a peer made it up. If most of the other nodes run, remove this \
         node's data directory and start it: it joins them as a new node. If most nodes say this, restore the cluster from a backup"
    )]
    ImpossibleTerm {
        /// The term.
        term: u64,
    },
    /// A snapshot that a peer sent is not what the peer says: refuse it, and let the peer try again. Nothing was changed.
    #[error("the received snapshot is refused: {reason}")]
    BadSnapshot {
        /// What does not fit.
        reason: String,
    },
    /// The disk has no room. Nothing was damaged: it may be tried again when there is room.
    #[error("the disk is full: {what}: {source}")]
    DiskFull {
        /// What was tried.
        what: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// The operating system refused: not permitted, or the disk is dying.
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

    /// For what this version does not understand, or nobody does.
    pub(crate) fn malformed(what: &'static str, malformed: &Malformed) -> StoreError {
        let reason = malformed.to_string();
        if malformed.is_newer() {
            StoreError::Newer { what, reason }
        } else {
            StoreError::Damaged { what, reason }
        }
    }

    /// Refuses what is of a higher feature level than this program understands.
    pub(crate) fn check_level(
        what: &'static str,
        level: FeatureLevel,
        understood: FeatureLevel,
    ) -> Result<(), StoreError> {
        if level <= understood {
            return Ok(());
        }
        let reason = format!("its feature level is {level}, and this version understands {understood}");
        Err(StoreError::Newer { what, reason })
    }

    /// For `map_err` behind file operations: names the file.
    pub(crate) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
        let what = format!("cannot {what} {}", path.display());
        move |source| StoreError::failed(what, source)
    }

    /// What the operating system refused.
    pub(crate) fn failed(what: String, source: io::Error) -> StoreError {
        match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreError::DiskFull { what, source },
            _ => StoreError::Io { what, source },
        }
    }

    /// For `map_err` behind RocksDB: `what` names the database. A checksum that does not fit is damage, the rest
    /// is the operating system's doing.
    pub(crate) fn rocksdb(what: &'static str) -> impl Fn(rocksdb::Error) -> StoreError {
        move |e| match e.kind() {
            rocksdb::ErrorKind::Corruption => StoreError::damaged(what, e),
            _ => StoreError::failed(what.to_owned(), io::Error::new(kind(&e), e)),
        }
    }
}

/// RocksDB's C interface gives the operating system's error as text alone.
fn kind(error: &rocksdb::Error) -> ErrorKind {
    let says = |text| error.as_ref().contains(text);
    if says("No space left on device") {
        ErrorKind::StorageFull
    } else if says("Disk quota exceeded") {
        ErrorKind::QuotaExceeded
    } else {
        ErrorKind::Other
    }
}

/// openraft knows only `io::Error`.
impl From<StoreError> for io::Error {
    fn from(e: StoreError) -> io::Error {
        io::Error::other(e)
    }
}
