//! Core types from and to their messages. Going out cannot fail; coming in is checked field by field.

mod answer;
mod batch;
mod command;
mod fields;
mod filter;
mod image;
mod job;
mod key;
mod operation;
mod queue;
mod take;
mod unique;

#[cfg(test)]
mod tests;

pub use answer::answered_value;
pub use batch::{decode_batch, decode_entry, decode_envelope, encode_batch, encode_envelope};
