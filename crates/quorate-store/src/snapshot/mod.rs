//! Snapshots: a RocksDB checkpoint in a directory, how it travels as files, and which one is current.

mod builder;
mod dir;
mod receiver;
mod store;

pub use builder::SnapshotBuilder;
pub use dir::{FileReader, SnapshotDir};
pub use receiver::SnapshotReceiver;
pub use store::SnapshotStore;
pub(crate) use store::WeakSnapshots;
