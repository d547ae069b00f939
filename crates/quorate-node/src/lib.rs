//! One member of the cluster: Raft, its peers, the way of a command into the log, log time, membership. Its face is
//! [`Handle`].
//!
//! ```text
//! handle       what the gateway uses
//! intake       a command from its arrival to its answer       ─┐ on the node
//! forward      … to the leader, if that is elsewhere           │ that took it
//! pending      … and its answer, from this node's own apply   ─┘
//! batcher      many commands, one log entry                   ─┐ at the leader
//! ticker       an entry when something is due                  │
//! membership   newcomers                                       │
//! raiser       the feature level                               │
//! handover     its end                                         │
//! relief       … for want of room                             ─┘
//! read_index   linearizable reads
//! turns        who waits for a job
//! clock/       log time
//! term_start   … at a new leader
//! recall       … after a restart
//! formation    making or joining the cluster, and where this node is
//! address_book where the others are
//! compaction   snapshots, and an end of the log that is kept
//! disk         how much room there is, and who may have it
//! presence     who leads, who is away: for the log
//! watch        clocks of the others, removal of this node
//! transport/   gRPC
//! ```

#![deny(clippy::print_stdout, clippy::print_stderr, reason = "they panic where nobody reads them")]

mod address_book;
mod batcher;
mod clock;
mod commit_index;
mod compaction;
mod config;
mod disk;
mod error;
mod formation;
mod forward;
mod handle;
mod handover;
mod intake;
mod leadership;
mod limits;
mod membership;
mod node;
mod observer;
mod pause;
mod peers;
mod pending;
mod planted;
mod presence;
mod proposal;
mod question;
mod raiser;
mod read_index;
mod recall;
mod relief;
mod reserve;
mod room;
mod running;
mod spent_keys;
mod status;
mod stores;
mod task;
mod term_start;
mod ticker;
mod transport;
mod turns;
mod watch;

pub use clock::{Clocks, SystemClocks};
pub use config::NodeConfig;
pub use disk::DiskState;
pub use error::{StartError, SubmitError};
pub use handle::{Gauges, Handle};
pub use limits::MEMORY_BYTES;
pub use node::Node;
pub use reserve::Reserve;
pub use running::Running;
pub use status::{Cluster, Member, Role};
pub use task::before_abort;
pub use turns::Turn;

/// Raft, over this node's log and job table.
type Raft = openraft::Raft<quorate_store::TypeConfig, quorate_store::JobTable>;
