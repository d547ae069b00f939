//! Random histories for tests: every command, in every status, with all that goes wrong. The same seed gives the same
//! history on every machine. And a steady load, for measurements.
//!
//! ```
//! use quorate_core::{apply, model::Model, testing::Workload};
//!
//! let mut table = Model::new();
//! let mut workload = Workload::new(7);
//! for entry in workload.by_ref().take(100) {
//!     assert_eq!(apply(&mut table, entry.index, &entry.batch), Ok(entry.applied));
//! }
//! assert_eq!(table.dump(), workload.model().dump());
//! ```

mod load;
mod mutate;
mod rng;
mod workload;

pub use load::{Load, Step};
pub use mutate::mutate;
pub use rng::Rng;
pub use workload::{Entry, Workload};
