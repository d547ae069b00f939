//! What several tests share.
#![allow(dead_code, unused_imports, reason = "each test uses a part of it")]
#![allow(unreachable_pub, reason = "it is a small library, though compiled into each test")]

mod build;
mod turns;
mod watched;

pub use build::{Log, T0, job_id, new_job, ok_job, ok_jobs};
pub use watched::Watched;
