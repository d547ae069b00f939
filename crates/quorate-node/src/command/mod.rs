//! The way of a command into the log, and of its answer back.
//!
//! `intake.rs` takes it and waits for what comes of it (`pending.rs`: this node's own apply); `forward.rs` brings it to the
//! leader; there `batcher.rs` makes a log entry of many. `room.rs` bounds both ends; a `proposal.rs` is what goes between.

pub(crate) mod batcher;
pub(crate) mod forward;
pub(crate) mod intake;
pub(crate) mod pending;
pub(crate) mod proposal;
pub(crate) mod room;
