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
