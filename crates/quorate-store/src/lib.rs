//! RocksDB under one node: the Raft log, the job table and its snapshots. The only crate that knows RocksDB.
//!
//! ```text
//! data directory
//!   FORMAT         the format version: the first thing on disk, the first thing read
//!   LOCK           held while a process uses the directory
//!   ballast        nothing: room that is given back when the disk is full
//!   identity       this node's id and the cluster's id, checksummed
//!   high-water     the last synced log id and vote, two checksummed slots
//!   log-time       what this node knew of log time, checksummed; a hint
//!   raft/          RocksDB: the Raft log
//!   jobs/CURRENT   names the generation in use
//!   jobs/gen-N/    RocksDB: the job table; an installed snapshot is a new generation
//!   snapshot/      the current snapshot, a checkpoint; and one that is being built or received
//!   restoring      nothing: a backup is being restored, and no node may start
//!   set-aside-N/   what was here when the directory's node had lost entries, and why
//! ```
//!
//! [`DataDir`] opens the directory, [`LogStore`] and [`JobTable`] what is in it. Of the folders each stands on those before it:
//! `files` (whole or not at all), `rows` (the keys and values of the table, and what of them is in memory), `snapshot` and
//! `reader`, `table` (apply), `backup` (all of it as a stream, and back). `log` stands beside them, with `high_water`; [`Recovery`] changes both
//! where no node runs.

#![deny(clippy::print_stdout, clippy::print_stderr, reason = "they panic where nobody reads them")]

mod backup;
mod ballast;
mod blocking;
mod convert;
mod data_dir;
mod error;
mod files;
#[cfg(test)]
mod fixtures;
mod format;
mod high_water;
mod identity;
mod limits;
mod log;
mod log_time;
mod meter;
mod metrics;
mod patience;
pub mod planted;
mod reader;
mod recover;
mod rows;
mod sizes;
mod snapshot;
mod space;
mod survey;
mod table;
mod type_config;

pub use backup::{BackupCheck, BackupError, BackupSummary, NewCluster, RestoreError, Restored, restore};
pub use ballast::Ballast;
pub use convert::ProtoForm;
pub use data_dir::DataDir;
pub use error::StoreError;
pub use files::checkpoint::SnapshotFile;
pub use identity::Identity;
pub use limits::{INDEX, MEMORY_BYTES, TERM};
pub use log::{LogEnd, LogReader, LogStore, OnFailure};
pub use log_time::{LogTimeFile, LogTimeNote};
pub use meter::Meter;
pub use metrics::{describe_metrics, register_metrics};
pub use patience::{OnFull, WhenFull};
pub use reader::Reader;
pub use recover::Recovery;
pub use snapshot::{FileReader, SnapshotBuilder, SnapshotDir, SnapshotReceiver, SnapshotStore};
pub use space::Space;
pub use survey::{Lost, Survey};
pub use table::{AppliedEntry, ApplyObserver, JobTable, TableSpace};
pub use type_config::{
    BatchBytes, Entry, LogId, Membership, Node, NodeId, StoredMembership, TypeConfig, Vote,
};
