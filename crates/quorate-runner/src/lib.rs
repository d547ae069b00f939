//! Takes jobs from a cluster over HTTP and runs them.
//!
//! A [`Runner`] consumes jobs and gives each to the first of its [`Driver`]s that takes the job's image: [`Process`] runs
//! local programs of an allow-list, [`Docker`] runs containers. While a job runs, its runner touches it and asks whether
//! it was cancelled, and its log is sent as it comes; when it has ended, its runner reports the outcome and what is missing of the log. A job that is stopped because its runner is
//! told to is given back.

#![deny(clippy::print_stdout, clippy::print_stderr, reason = "they panic where nobody reads them")]

mod attempt;
mod config;
mod docker;
mod driver;
mod event;
mod hold;
mod limits;
mod live_log;
mod log;
mod output;
mod pause;
mod predecessor;
mod process;
mod report;
mod runner;
mod shutdown;
mod starts;

pub use config::RunnerConfig;
pub use docker::{Docker, DockerConfig, NoEngine};
pub use driver::{Driver, End, NotStarted, Running, Work};
pub use event::{Event, Outcome};
pub use limits::{IMAGES_PER_CONSUME, LAST_CONSUME};
pub use log::Log;
pub use output::Output;
pub use process::{InvalidProgram, Process, Program, Programs, reap_orphans};
pub use runner::Runner;
pub use shutdown::Shutdown;
