//! Nodes and clusters of nodes in one process: one program, since each of its own would hold RocksDB and openraft again.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::disallowed_methods, reason = "a test is not simulated")]

mod addresses;
mod certificates;
mod common;
mod compaction;
mod connections;
mod disk;
mod handover;
mod hostile;
mod levels;
mod log_time;
mod members;
mod membership;
mod operations;
mod queues;
mod read_index;
mod recover;
mod refusals;
mod single;
mod snapshots;
mod soak;
mod three;
mod wire;
