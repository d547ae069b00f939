//! The Raft log on disk.

mod store;

pub use store::{LogReader, LogStore, OnFailure};
