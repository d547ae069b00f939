use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::process::{ChildStdin, Command};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::Program;
use super::group::Group;
use crate::driver::{End, Finished, Work};
use crate::limits;
use crate::log::Log;

/// Runs a program to its end, or until `stop`.
///
/// # Errors
/// When it could not be started or watched.
pub(crate) async fn run(
    program: &Program,
    work: &Work,
    grace: Duration,
    stop: &CancellationToken,
) -> io::Result<Finished> {
    let child_signals = Group::listen()?;
    // One pipe for both, so that the log has their lines in the order in which they were written.
    let (output, to_output) = io::pipe()?;
    let mut output = pipe::Receiver::from_owned_fd(output.into())?;
    let mut child = command(program, work)
        .stdin(Stdio::piped())
        .stdout(to_output.try_clone()?)
        .stderr(to_output)
        .spawn()?; // the command goes here, and with it our ends of the pipe: the last of the group closes it
    let mut group = Group::new(child.id().expect("it was not waited for yet"), child_signals);
    let stdin = child.stdin.take().expect("it was asked for");

    let mut log = Log::default();
    {
        let mut streams = std::pin::pin!(async {
            tokio::join!(feed(stdin, &work.payload), collect(&mut output, &mut log));
        });
        let mut streams_ended = false;
        let mut kill_at: Option<Instant> = None;
        loop {
            tokio::select! {
                ended = group.leader_ended() => {
                    ended?;
                    break;
                }
                () = &mut streams, if !streams_ended => streams_ended = true,
                () = stop.cancelled(), if kill_at.is_none() => {
                    group.terminate();
                    kill_at = Some(Instant::now() + grace);
                }
                () = sleep_until(kill_at.unwrap_or_else(Instant::now)), if kill_at.is_some() => {
                    group.kill();
                    group.leader_ended().await?;
                    break;
                }
            }
        }
        group.kill(); // what the leader left behind ends with it
        if !streams_ended {
            // Ends at once, unless something left the group with our pipe in its hands.
            let _ = timeout(limits::OUTPUT_LINGER, streams).await;
        }
    }
    let status = child.wait().await?;
    group.release();
    Ok(Finished { end: end(status), log: log.finish() })
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
    command.process_group(0).kill_on_drop(true);
    command
}

/// A program need not read its input: that it does not is no error.
async fn feed(mut stdin: ChildStdin, payload: &[u8]) {
    let _ = stdin.write_all(payload).await;
}

async fn collect(output: &mut pipe::Receiver, log: &mut Log) {
    let mut buffer = vec![0; 16 << 10];
    loop {
        match output.read(&mut buffer).await {
            Ok(0) => return,
            Ok(n) => log.push(&buffer[..n]),
            Err(error) => {
                log.push(format!("\n[the output could not be read: {error}]\n").as_bytes());
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
