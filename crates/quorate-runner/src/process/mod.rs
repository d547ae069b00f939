//! The `process` driver: an allow-list of local programs.

mod children;
mod executable;
mod group;
mod programs;
mod run;
mod table;

use std::io;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::driver::{Driver, End, NotStarted, Running, Work};
use crate::output::Output;

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

    fn images(&self) -> Option<Vec<String>> {
        Some(self.programs.images().map(str::to_owned).collect())
    }

    fn prepare<'a>(&'a self, _work: &'a Work) -> BoxFuture<'a, Result<(), NotStarted>> {
        std::future::ready(Ok(())).boxed()
    }

    fn start<'a>(
        &'a self,
        work: &'a Work,
        output: &'a Output,
        stop: &'a CancellationToken,
    ) -> BoxFuture<'a, Result<Running<'a>, NotStarted>> {
        async move {
            let Some(program) = self.programs.get(&work.image) else {
                let why = format!("no program is configured for the image {:?}", work.image);
                return Err(NotStarted::Refused(why));
            };
            let could_not = |error| format!("{} could not be run: {error}", program.path().display());
            let started = match run::start(program, work) {
                Ok(started) => started,
                // By what the job brings along.
                Err(error) if error.kind() == io::ErrorKind::ArgumentListTooLong => {
                    return Err(NotStarted::Refused(could_not(error)));
                }
                Err(error) => return Err(NotStarted::Unable(could_not(error))),
            };
            let running = async move {
                let ended = started.run(&work.payload, output, self.grace, stop).await;
                ended.unwrap_or_else(|error| End::BadExit(could_not(error)))
            };
            Ok(running.boxed())
        }
        .boxed()
    }
}
