//! Tests of the table against the core's model, through restarts, snapshots and damage.

mod against_model;
mod damage;
pub(crate) mod harness;
pub(crate) mod jobs;
mod lanes;
mod level;
mod lists;
mod misuse;
mod operations;
mod payloads;
mod reads;
mod receiving;
mod snapshots;
mod space;
mod workers;
