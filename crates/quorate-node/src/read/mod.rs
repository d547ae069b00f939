//! Reads that know how current they are, and those who wait for something to read.
//!
//! `read_index.rs` asks the leader, where `commit_index.rs` answers; many who ask at once share one `question.rs`. `turns/`
//! wakes who waits for a job, `spent_keys.rs` who waits for the answer to an Idempotency-Key.

pub(crate) mod commit_index;
pub(crate) mod question;
pub(crate) mod read_index;
pub(crate) mod spent_keys;
pub(crate) mod turns;
