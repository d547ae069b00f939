//! The job table on disk: a RocksDB that the core's decisions are carried out on.
//!
//! `DESIGN.md` of this crate says why it is built as it is. The way of an entry: [`JobTable`] takes what is ready from
//! openraft, `writer.rs` applies it through the core (`core_table.rs`) and writes it, the readers see it
//! (`generation.rs`), the observer hears of it.

pub(crate) mod answers;
pub(crate) mod codec;
mod core_table;
pub(crate) mod db;
#[cfg(test)]
mod dump;
pub(crate) mod generation;
mod generations;
mod ids;
mod job_table;
pub(crate) mod keys;
pub(crate) mod lane;
pub(crate) mod meta;
mod observer;
mod planted;
mod records;
mod space;
#[cfg(test)]
mod tests;
mod tuning;
mod window;
mod writer;

pub use job_table::JobTable;
pub use observer::{Applied, ApplyObserver};
pub use space::TableSpace;
