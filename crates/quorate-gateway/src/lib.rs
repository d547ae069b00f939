//! HTTP: the Titan API v1 in front of a [`Backend`].
//!
//! [`Gateway::router`] is the API, [`Gateway::serve`] the server around it. What a request may be and what it is answered is all
//! here; what it does is the backend's affair. [`error`](mod@error) is the one place where an outcome becomes a status
//! code.

#![deny(clippy::print_stdout, clippy::print_stderr, reason = "they panic where nobody reads them")]

mod answer;
mod backend;
mod body;
mod config;
mod convert;
mod cursor;
mod edge;
mod error;
mod fields;
mod gateway;
mod head;
mod heavy;
mod idempotency;
mod ids;
mod limits;
mod long_poll;
mod meant;
mod memory;
mod openapi;
mod patience;
mod query;
mod quote;
mod ranges;
mod routes;
mod server;
mod unknown;

pub use backend::{Backend, NodeHealth, Reads, Waits};
pub use config::GatewayConfig;
pub use gateway::Gateway;
pub use limits::ConnectionLimits;
pub use quorate_api::{Cluster, Disk, Member};
