//! The job table on disk: a RocksDB that the core's decisions are carried out on.
//!
//! `DESIGN.md` of this crate says why it is built as it is. The way of an entry: [`JobTable`] takes what is ready from
//! openraft, `applier.rs` applies it through the core (`core_table.rs`) and writes it, the readers see it
//! (`rows/generation.rs`), the observer hears of it.

mod applier;
mod core_table;
#[cfg(test)]
mod dump;
mod generations;
mod job_table;
mod observer;
#[cfg(feature = "planted-bugs")]
mod planted;
mod records;
mod space;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod tuning;

#[cfg(not(feature = "planted-bugs"))]
use applier::Applier;
#[cfg(feature = "planted-bugs")]
use planted::Applier;

pub(crate) use generations::{look as look_into_generation, open as open_generation};
pub use job_table::JobTable;
pub(crate) use observer::Nobody;
pub use observer::{AppliedEntry, ApplyObserver};
pub use space::TableSpace;
