//! HTTP: the Titan API v1 in front of a [`Backend`].
//!
//! [`Gateway::router`] is the API, [`Gateway::serve`] the server around it. What a request may be and what it is answered is all
//! here; what it does is the backend's affair. [`error`](mod@error) is the one place where an outcome becomes a status
//! code.
//!
//! The way of a request, from above; a module knows only of those below it:
//!
//! ```text
//! http         the routes with their edge, and the server around them
//! edge         what is around every route; head: what any request's head must be; browser: what other sites may not; trace: by what a request is known; access: who may ask it; shares: how much at once; tokens: who has one
//! server/      connections: how many, for how long, and how they end; it knows no route
//! routes/      one handler for every operation; openapi: what describes them
//! long_poll    a consume that waits … outcome: who waits for a job's; follow: for its log
//! answer/      answers that hold memory; jobs, of which there may be many
//! gateway      what every handler has at hand: the backend, memory, turns for heavy work
//! filter       which jobs are meant, by a query or a body
//! query        what a query means … body/: a body; idempotency: a header
//! selection    which jobs a consumer takes
//! convert/     between the REST vocabulary and the core's … fields, cursor, ids, ranges: what is in both
//! patience     how long the client waits
//! error        what a request is answered instead … response: as HTTP has it
//! memory/      what requests and answers may hold … heavy: when work on much of it is done; rates: how many jobs a caller enqueues; whose: which caller
//! unknown      names that nobody knows … meant: a path; quote: what a client sent, fit to be shown
//! looks        when who waits looks again … metrics: what is measured
//! backend      what all of this needs of the node … config, limits: and of whoever sets it up
//! ```

#![deny(clippy::print_stdout, clippy::print_stderr, reason = "they panic where nobody reads them")]

mod access;
mod answer;
mod asked;
mod backend;
mod body;
mod browser;
mod callers;
mod config;
mod convert;
mod cursor;
mod edge;
mod error;
mod fields;
mod filter;
mod follow;
mod gateway;
mod head;
mod heavy;
mod http;
mod idempotency;
mod ids;
mod limits;
mod long_poll;
mod looks;
mod meant;
mod memory;
mod metrics;
mod openapi;
mod outcome;
mod patience;
mod query;
mod quote;
mod ranges;
mod rates;
mod response;
mod routes;
mod selection;
mod server;
mod shares;
pub mod tokens;
mod trace;
mod unknown;
mod whose;

pub use access::{Access, Role, Roles};
pub use backend::{Backend, Look, NodeAdmin, NodeHealth, Order, OrderError, Reads, Refused, Wakeups};
pub use config::GatewayConfig;
pub use gateway::Gateway;
pub use limits::{CALLER_RATE, ConnectionLimits};
pub use metrics::register_metrics;
pub use quorate_api::{Changed, Cluster, Disk, Member, Outsider, Warning};
pub use selection::{check_consumer, check_queues};
pub use trace::Traces;
