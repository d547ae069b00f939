//! Runs a cluster under faults and has what its clients saw judged.
//!
//! A [`Host`](hosts::Host) holds the nodes: processes on this machine, or the compose stack. Clients send requests without
//! end and record every attempt; a schedule drawn from a seed kills, pauses, wipes and cuts; at the end the cluster
//! heals, every node is scanned, and the history goes to `quorate-check`. A run that could not do what it set out to do
//! is an error, not a success.

mod asker;
mod availability;
mod bulk;
mod client;
mod clock;
mod convert;
mod draw;
mod fault;
mod guests;
mod hosts;
mod injected;
mod keys;
mod limits;
mod nemesis;
mod observe;
mod planted;
mod probes;
mod queues;
mod rated;
mod recorder;
mod relay;
mod report;
mod rest;
mod returner;
mod revoke;
mod rounds;
mod run;
mod runner;
mod scan;
mod schedule;
mod setter;
mod shared;
mod sweeper;

pub use fault::{Action, Fault, Victim};
pub use hosts::{alone, free_ports};
pub use planted::{EXPERIMENTS, Experiment, Finding};
pub use report::{FaultRow, Summary};
pub use run::{HostKind, Options, Verdict, run};
pub use schedule::Plan;
