use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use tokio::io::AsyncReadExt;
use tokio::process::Child;
use tokio::task::JoinHandle;

/// Writes what a process says on standard error to the end of a file, like any collector of logs: through a pipe, whose
/// other end can die.
pub(crate) struct LogPipe(Option<JoinHandle<std::io::Result<()>>>);

/// After a process has ended, what it said last is there so soon.
const REST: Duration = Duration::from_secs(2);

impl LogPipe {
    /// # Errors
    /// The file cannot be opened, or the child has no pipe for standard error.
    pub(crate) fn new(child: &mut Child, log: &Path) -> anyhow::Result<LogPipe> {
        let mut log = File::options().create(true).append(true).open(log)?;
        let mut pipe = child.stderr.take().context("the child has no pipe for standard error")?;
        Ok(LogPipe(Some(tokio::spawn(async move {
            let mut bytes = vec![0; 1 << 16];
            loop {
                let count = pipe.read(&mut bytes).await?;
                if count == 0 {
                    return Ok(());
                }
                log.write_all(&bytes[..count])?;
            }
        }))))
    }

    /// Ends the reader: who writes into the pipe from now on is told that nobody reads it.
    pub(crate) async fn lose(&mut self) {
        if let Some(reader) = self.0.take() {
            reader.abort();
            // It was told to end, and is over, with the pipe.
            let _ = reader.await;
        }
    }

    /// Waits for the rest of what a process said that has ended.
    pub(crate) async fn drain(&mut self) {
        if let Some(reader) = self.0.take() {
            // What it left behind may hold the pipe open.
            let _ = tokio::time::timeout(REST, reader).await;
        }
    }

    /// True where nobody reads any more.
    pub(crate) fn is_lost(&self) -> bool {
        self.0.is_none()
    }
}
