use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::Program;
use super::group::Group;
use crate::driver::{End, Work};
use crate::limits;
use crate::output::Output;

/// A program that was started for a job.
#[derive(Debug)]
pub(crate) struct Started {
    group: Group,
    pipe: pipe::Receiver,
}

/// Starts a program.
///
/// # Errors
/// It can't be started.
pub(crate) fn start(program: &Program, work: &Work) -> io::Result<Started> {
    // One pipe for both, so that the log has their lines in the order in which they were written.
    let (pipe, to_pipe) = io::pipe()?;
    let pipe = pipe::Receiver::from_owned_fd(pipe.into())?;
    let mut command = command(program, work);
    command.stdin(Stdio::piped()).stdout(to_pipe.try_clone()?).stderr(to_pipe);
    let group = Group::start(&mut command)?;
    Ok(Started { group, pipe }) // the command goes here, and with it our ends of the pipe: the last of the group closes it
}

impl Started {
    /// Runs it to its end, or ends it once `stop` is cancelled. What the program leaves behind gets its grace too, but the
    /// program's own end is the job's.
    ///
    /// # Errors
    /// It can't be watched.
    pub(crate) async fn run(
        self,
        payload: &[u8],
        output: &Output,
        grace: Duration,
        stop: &CancellationToken,
    ) -> io::Result<End> {
        let Started { mut group, mut pipe } = self;
        let stdin = group.stdin().expect("it was asked for");
        let stdin = pipe::Sender::from_owned_fd(stdin.into())?;
        let ended = {
            let mut streams = std::pin::pin!(async {
                tokio::join!(feed(stdin, payload), collect(&mut pipe, output));
            });
            let mut ended = std::pin::pin!(async {
                let by_itself = tokio::select! {
                    biased;
                    ended = group.leader_ended() => Some(ended?),
                    () = stop.cancelled() => None,
                };
                group.end(grace).await;
                io::Result::Ok(by_itself)
            });
            tokio::select! {
                ended = &mut ended => {
                    // Ends at once, unless something left the group with our pipe in its hands.
                    let _ = timeout(limits::OUTPUT_LINGER, streams).await;
                    ended?
                }
                () = &mut streams => ended.await?,
            }
        };
        Ok(ended.map_or(End::Stopped, end))
    }
}

fn command(program: &Program, work: &Work) -> Command {
    let mut command = Command::new(program.path());
    command.args(program.args()).env_clear().env("JOB_ID", &work.job_id);
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    if let Some(payload) = work.payload_variable() {
        command.env("PAYLOAD", payload);
    }
    command
}

/// A program need not read its input: that it does not is no error.
async fn feed(mut stdin: pipe::Sender, payload: &[u8]) {
    let _ = stdin.write_all(payload).await;
}

async fn collect(pipe: &mut pipe::Receiver, output: &Output) {
    let mut buffer = vec![0; 16 << 10];
    loop {
        match pipe.read(&mut buffer).await {
            Ok(0) => return,
            Ok(n) => output.push(&buffer[..n]),
            Err(error) => {
                output.push(format!("\n[the output could not be read: {error}]\n").as_bytes());
                return;
            }
        }
    }
}

fn end(status: ExitStatus) -> End {
    match (status.code(), status.signal()) {
        (Some(code), _) => End::of_exit_status(code.into()),
        (None, Some(number)) if number == Signal::SIGKILL as i32 => End::Killed("killed by SIGKILL".into()),
        (None, Some(number)) => {
            let name = Signal::try_from(number).map_or("an unknown signal", Signal::as_str);
            End::BadExit(format!("ended by signal {number} ({name})"))
        }
        (None, None) => End::BadExit(status.to_string()),
    }
}
