//! One member of the cluster: Raft, its peers, the way of a command into the log, log time, membership. Its face is
//! [`Handle`].
//!
//! ```text
//! handle       what the gateway uses
//! command/     a command, from its arrival through the log to its answer
//! read/        linearizable reads, and who waits for a job or an answer
//! time/        log time
//! cluster/     making or joining it, its members, its leader's end
//! disk/        how much room there is, who may have it, and how some is made
//! peer/        calls to the other nodes
//! peer_server  … and from them: what they ask of all of the above
//! observer     what happens where this node applies the log
//! group        all of that for one Raft group, over its log and table
//! machine      the time and chance of where it runs: the edge of a simulation
//! process      what a node has once
//! node         both, started; running: ended
//! ```

#![deny(clippy::print_stdout, clippy::print_stderr, reason = "they panic where nobody reads them")]

mod cluster;
mod command;
mod config;
mod disk;
mod error;
mod group;
mod handle;
mod leadership;
mod limits;
mod machine;
mod node;
mod observer;
mod pause;
mod peer;
mod peer_server;
mod process;
mod read;
mod running;
mod stores;
mod task;
mod time;

pub use cluster::status::{Cluster, Member, Role};
pub use config::NodeConfig;
pub use disk::DiskState;
pub use disk::reserve::Reserve;
pub use error::StartError;
pub use handle::{Gauges, Handle};
pub use limits::MEMORY_BYTES;
pub use machine::{Machine, ThisMachine};
pub use node::Node;
#[cfg(feature = "planted-bugs")]
pub use quorate_store::planted;
pub use read::turns::Turn;
pub use running::Running;
pub use task::before_abort;

/// Raft, over this node's log and job table.
type Raft = openraft::Raft<quorate_store::TypeConfig, quorate_store::JobTable>;
