//! Takes jobs from a cluster over HTTP and runs them.

mod driver;
mod limits;
mod log;
mod process;

pub use driver::{Driver, End, Finished, Work};
pub use log::Log;
pub use process::{InvalidProgram, Process, Program, Programs};
