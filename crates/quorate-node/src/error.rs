use std::io;

use quorate_store::StoreError;

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting is wrong: correct it.
    #[error("{setting}: {reason}")]
    Config {
        /// Which one.
        setting: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The peer address cannot be listened on.
    #[error("cannot listen for peers on {addr}: {source}")]
    Listen {
        /// Which one.
        addr: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// The data directory cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log has lost entries and no other node has them: let a person look. The directory is as it was found.
    #[error("this node is alone and its log has lost entries that were acknowledged; it does not start: {0}")]
    LostAlone(StoreError),
    /// Raft refused to start.
    #[error("Raft did not start: {0}")]
    Raft(String),
}

/// Why a command or a barrier got no answer from the state machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// Too much is in flight, here or at the leader. Nothing was done.
    #[error("too many requests are in flight")]
    Overloaded,
    /// No room on the disk, here or at the leader. Nothing was done.
    #[error("the disk is full")]
    DiskFull,
    /// No leader or no majority within the time given, and certainly nothing was done.
    #[error("no leader could be reached in time")]
    NotApplied,
    /// The cluster is between two versions, and its older nodes would not understand this. Nothing was done; it can be done
    /// when all run the new version.
    #[error("some nodes of the cluster run a version that does not understand this yet")]
    NotUnderstood,
    /// It may or may not have been done.
    #[error("the cluster gave no answer in time: the outcome is not known")]
    Unknown,
    /// This node is ending. Nothing was done.
    #[error("this node is stopping")]
    Stopping,
}
