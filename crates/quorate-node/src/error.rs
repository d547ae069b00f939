use std::io;

use quorate_store::{Lost, StoreError};

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
    /// The log has lost what no other node has: let a person look. The directory is as it was found.
    #[error("this node is alone and its log has lost {}; it does not start: {says}", lost_by(*lost))]
    LostAlone {
        /// What is lost.
        lost: Lost,
        /// What was found.
        says: StoreError,
    },
    /// Its node runs already, on another data directory: one of them is a copy.
    #[error(
        "another process runs this node: {name}, the same node {node_id} of the cluster {cluster_id}, runs at {addr}, so one of the two \
         data directories is a copy. {says}"
    )]
    Copy {
        /// The node's name there.
        name: String,
        /// Its id here and there.
        node_id: u64,
        /// Its cluster's.
        cluster_id: String,
        /// Where the other one is.
        addr: String,
        /// Which of the two directories is the newer one, and what to do.
        says: String,
    },
    /// The cluster was given up for another one that was made of it.
    #[error(
        "the cluster {cluster_id}, which this data directory belongs to, was given up: {name} at {addr} belongs to the cluster {now}, \
         which was restored or recovered from it. To join that one, start this node on an empty directory. If this cluster \
         is to go on instead, stop the nodes of that one first"
    )]
    GivenUp {
        /// The node that was met,
        name: String,
        /// and where.
        addr: String,
        /// This directory's cluster.
        cluster_id: String,
        /// The other one.
        now: String,
    },
    /// Raft refused to start.
    #[error("Raft did not start: {0}")]
    Raft(String),
}

fn lost_by(lost: Lost) -> &'static str {
    match lost {
        Lost::Entries => "entries that were acknowledged",
        Lost::Vote => "the vote that it had given, and no entry",
    }
}
