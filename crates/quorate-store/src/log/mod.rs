//! The Raft log and the vote.
//!
//! An append is visible in memory when it returns and is queued for one writer thread, which takes everything that
//! is queued and writes it with one sync: while a sync runs, the next flush gathers. All that changes the log goes
//! through that queue, so that the disk sees the changes in the order in which Raft made them.
//!
//! ```text
//! store         what Raft calls                     ─┐ view and queue change
//! view          the log as Raft sees it, its tail    │ together, under one lock
//! queue         the changes that the disk lacks     ─┘
//! flush_writer  takes a flush: disk, mark, callbacks
//! disk          RocksDB
//! mark_writer   the high-water mark: written with every flush, synced now and then
//! reader        the tail, or else the disk
//! size          how many bytes the log has
//! begin         where no node runs: made, changed, looked into
//! fit           after a crash: made to fit the table
//! ```

mod begin;
mod disk;
mod fit;
mod flush_writer;
mod mark_writer;
#[cfg(feature = "planted-bugs")]
mod planted;
mod queue;
mod reader;
mod shared;
mod size;
mod store;
mod tail;
mod view;

#[cfg(test)]
mod tests;

#[cfg(not(feature = "planted-bugs"))]
use crate::high_water::HighWater;
#[cfg(not(feature = "planted-bugs"))]
use disk::Disk;
pub use flush_writer::OnFailure;
#[cfg(feature = "planted-bugs")]
use planted::{Disk, HighWater};

pub(crate) use begin::{Beginning, begin, forget_mark, look};
pub(crate) use fit::lacked;
pub use reader::LogReader;
pub(crate) use reader::WeakLog;
pub use store::{LogEnd, LogStore};
