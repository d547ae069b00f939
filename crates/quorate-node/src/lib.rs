//! One member of the cluster: Raft, its peers, the way of a command into the log, log time, membership. Its face is
//! [`Handle`]. A module knows only of those below it:
//!
//! ```text
//! restore, recover  a data directory in which no node runs: made of a backup, or to go on alone
//! handle       what the gateway uses; backup: all that the table holds; meter: … and who watches; node: started; starting: what peers
//!              hear until then; running: … and ended
//! peer_server  what the other nodes ask of all of the below
//! group        all of the below, for one Raft group over its log and table
//! observer     what happens where this node applies the log; stores: … which are opened here
//! read/        linearizable reads, and who waits for a job or an answer
//! cluster/     making or joining it, its members, its leader's beginning and end
//! command/     a command, from its arrival through the log to its answer; the entry where time alone has one made
//! process      what a node has once
//! peer/        calls to the other nodes
//! config       how a node is to run … error: why it does not
//! disk/        how much room there is, who may have it, and how some is made
//! time/        log time
//! leadership   who leads, and who the members are
//! machine      the time and chance of where it runs: the edge of a simulation
//! task, pause  what runs beside, and between attempts … limits: how much, how long … metrics: what is counted … trace: spans
//! ```

#![deny(clippy::print_stdout, clippy::print_stderr, reason = "they panic where nobody reads them")]

mod backup;
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
mod meter;
mod metrics;
mod node;
mod observer;
mod pause;
mod peer;
mod peer_server;
mod process;
mod read;
mod recover;
mod restore;
mod running;
mod starting;
mod stores;
mod task;
mod time;
mod trace;

pub use cluster::order::{Done, Order, OrderError, Refused, Why};
pub use cluster::status::{Cluster, Member, Outsider, Role, Standing};
pub use cluster::warnings::Warning;
pub use config::{NodeConfig, is_name as is_node_name};
pub use disk::DiskState;
pub use disk::reserve::Reserve;
pub use error::StartError;
pub use handle::{Gauges, Handle, Unready};
pub use limits::MEMORY_BYTES;
pub use machine::{Machine, ThisMachine};
pub use metrics::register_metrics;
pub use node::Node;
pub use peer::PeerTls;
pub use quorate_store::planted;
pub use quorate_store::{BackupCheck, BackupError, BackupSummary, Lost, RestoreError, Restored, StoreError};
pub use read::turns::{Look, Turn};
pub use recover::{Answering, Found, FoundMember, Place, Recovered, Recovery};
pub use restore::restore;
pub use running::Running;
pub use task::before_abort;
pub use trace::Traces;

/// Raft, over this node's log and job table.
type Raft = openraft::Raft<quorate_store::TypeConfig, quorate_store::JobTable>;
