//! The way of a command into the log, and of its answer back.
//!
//! `intake.rs` takes it and waits for what comes of it (`pending.rs`: this node's own apply); `forward.rs` brings it to the
//! leader, where `forwarded.rs` looks at it; there `batcher.rs` makes a log entry of many, up to the `load.rs` of one. `budget.rs` bounds both ends; a `proposal.rs` is what goes between.
//! `ticker.rs` has an entry made where something is due and no command comes, `operations.rs` one for the next part of work on many
//! jobs.

pub(crate) mod batcher;
pub(crate) mod budget;
pub(crate) mod doubt;
pub(crate) mod forward;
pub(crate) mod forwarded;
pub(crate) mod intake;
pub(crate) mod load;
pub(crate) mod operations;
pub(crate) mod pending;
pub(crate) mod proposal;
pub(crate) mod ticker;
