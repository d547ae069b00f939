//! HTTP client of a Quorate cluster. It knows all nodes, and repeats only what is safe to repeat.

#![deny(clippy::print_stdout, clippy::print_stderr, reason = "they panic where nobody reads them")]

mod attempt;
mod call;
mod client;
mod config;
mod delivery;
mod download;
mod error;
mod keyed;
mod limits;
mod nodes;
mod pause;
mod presence;
mod requests;
mod tls;
mod token;
mod watch;

pub use client::Client;
pub use config::ClientConfig;
pub use download::Download;
pub use error::{Error, NotWell, Refused, RefusedKind};
pub use keyed::Keyed;
pub use quorate_api as api;
pub use requests::{Consume, JobFailure, ListImages, ListJobs, ListQueues, ListWorkers, Probe};
pub use token::Token;
