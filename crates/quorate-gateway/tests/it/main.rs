//! The gateway in front of a backend that is the core's model, without a cluster.

#![allow(clippy::unwrap_used, reason = "a test ends where it is surprised")]

mod access;
mod answers;
mod api;
mod audit;
mod backup;
mod bodies;
mod browsers;
mod callers;
mod codes;
mod consume;
mod endpoints;
mod failures;
mod fake;
mod finish;
mod floods;
mod frames;
mod fuzz;
mod heads;
mod idempotency;
mod malformed;
mod members;
mod messages;
mod openapi;
mod operations;
mod outcome;
mod passing_on;
mod patience;
mod queues;
mod running_log;
mod selection;
mod server;
mod tls;
mod turns;
mod unique;
mod wire;
mod wire_traps;
mod workers;
