//! The `process` driver: an allow-list of local programs.

mod children;
mod group;
mod programs;
mod run;
mod table;

use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::driver::{Driver, End, Finished, Work};

pub use children::reap_orphans;
pub use programs::{InvalidProgram, Program, Programs};

/// Runs local programs: an image's name stands for a program of the allow-list, with fixed arguments.
///
/// The payload comes on the program's standard input, and in `PAYLOAD` if it is at most 128 KiB; `JOB_ID` and `PATH`
/// are the only other variables. What it writes to standard output and standard error, in the order written, is the log.
#[derive(Clone, Debug)]
pub struct Process {
    programs: Programs,
    grace: Duration,
}

impl Process {
    /// A driver for these programs; one that must end gets `grace` between SIGTERM and SIGKILL, with all that it started.
    ///
    /// The first job makes this process the one that the descendants of its jobs come to when they lose their parents:
    /// see [`reap_orphans`].
    pub fn new(programs: Programs, grace: Duration) -> Process {
        Process { programs, grace }
    }
}

impl Driver for Process {
    fn name(&self) -> &'static str {
        "process"
    }

    fn takes(&self, image: &str) -> bool {
        self.programs.get(image).is_some()
    }

    fn prepare<'a>(&'a self, _work: &'a Work) -> BoxFuture<'a, Result<(), String>> {
        std::future::ready(Ok(())).boxed()
    }

    fn run<'a>(&'a self, work: &'a Work, stop: &'a CancellationToken) -> BoxFuture<'a, Finished> {
        async move {
            let Some(program) = self.programs.get(&work.image) else {
                return not_run(format!("no program is configured for the image {:?}", work.image));
            };
            let could_not =
                |error| not_run(format!("{} could not be run: {error}", program.path().display()));
            match run::start(program, work) {
                Ok(started) => started.run(&work.payload, self.grace, stop).await.unwrap_or_else(could_not),
                Err(error) => could_not(error),
            }
        }
        .boxed()
    }
}

fn not_run(why: String) -> Finished {
    Finished { end: End::BadExit(why), log: Default::default() }
}
