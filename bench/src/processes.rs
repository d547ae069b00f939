use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

/// How long a system may take to start, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long a server that ends in order may take for it: longer than `quorate dev` gives its nodes.
const GRACE: Duration = Duration::from_secs(40);
const POLL: Duration = Duration::from_millis(50);

/// A server that runs, until this is dropped: at the end, by Ctrl-C, or by a panic.
pub(crate) struct Server {
    child: Child,
    log: PathBuf,
    /// What ends it: SIGKILL, unless it has processes of its own to end.
    end: Signal,
}

impl Server {
    /// Starts a server that logs to `DIR/NAME.log`.
    ///
    /// # Errors
    /// The program cannot be started.
    pub(crate) fn start(
        name: &str,
        command: &mut Command,
        dir: &Path,
        end: Signal,
    ) -> anyhow::Result<Server> {
        let log = dir.join(name).with_extension("log");
        let out = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
        // Ctrl-C reaches this program alone, which ends them.
        let child = command.process_group(0).spawn().with_context(|| format!("cannot start {name}"))?;
        Ok(Server { child, log, end })
    }

    /// # Errors
    /// It has ended; the message has the end of its log.
    fn check(&mut self) -> anyhow::Result<()> {
        let Some(status) = self.child.try_wait()? else { return Ok(()) };
        let log = std::fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        bail!("ended by itself: {status}\n{}", lines[lines.len().saturating_sub(10)..].join("\n"));
    }

    fn ends_within(&mut self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let Ok(pid) = i32::try_from(self.child.id()).map(Pid::from_raw) else { return };
        // Once it was waited for, its id may be another's.
        if matches!(self.child.try_wait(), Ok(None))
            && (kill(pid, self.end).is_err() || !self.ends_within(GRACE))
        {
            let _ = killpg(pid, Signal::SIGKILL);
            let _ = self.child.wait();
        }
    }
}

/// # Errors
/// Somebody has a port of 127.0.0.1, and would answer in a server's place.
pub(crate) fn free(ports: impl IntoIterator<Item = u16>) -> anyhow::Result<()> {
    for port in ports {
        std::net::TcpListener::bind(("127.0.0.1", port)).with_context(|| format!("port {port}"))?;
    }
    Ok(())
}

/// Attempts something until it succeeds.
///
/// # Errors
/// A server has ended, or there was no success in five minutes: the last attempt's error.
pub(crate) async fn until<T>(
    servers: &mut [Server],
    mut attempt: impl AsyncFnMut() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let error = match tokio::time::timeout(PATIENCE / 4, attempt()).await {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(error)) => error,
            Err(elapsed) => elapsed.into(),
        };
        servers.iter_mut().try_for_each(Server::check)?;
        if Instant::now() >= deadline {
            return Err(error.context(format!("not ready after {} s", PATIENCE.as_secs())));
        }
        tokio::time::sleep(POLL).await;
    }
}

/// What a command prints.
///
/// # Errors
/// It cannot be started, or fails; the message has what it said.
pub(crate) async fn output(command: Command) -> anyhow::Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let mut command = tokio::process::Command::from(command);
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await;
    let output = output.with_context(|| format!("cannot run {program}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program}: {}: {}", output.status, said.trim());
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
