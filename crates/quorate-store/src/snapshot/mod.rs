//! Snapshots: a RocksDB checkpoint in a directory, how it travels as files, and which one is current.

mod builder;
mod dir;
mod files;
mod receiver;
mod removable_dir;
mod store;

pub use builder::SnapshotBuilder;
pub use dir::{FileReader, SnapshotDir, SnapshotFile};
pub use receiver::SnapshotReceiver;
pub use store::SnapshotStore;

pub(crate) use files::copy_files;
pub(crate) use removable_dir::RemovableDir;
