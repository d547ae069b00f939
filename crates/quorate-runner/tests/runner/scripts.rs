//! Shell scripts as programs, and pipes with names to know how far they are: no test sleeps.

use std::path::PathBuf;

use nix::sys::stat::Mode;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;

use crate::soon;

/// Waits for a line in the first pipe. (Open for both, since opening it for reading alone would wait for a writer.)
pub(crate) const WAIT: &str = "exec 3<>$1; read line <&3";

/// A directory of scripts and named pipes.
pub(crate) struct Scripts {
    directory: TempDir,
}

impl Scripts {
    pub(crate) fn new() -> Scripts {
        Scripts { directory: TempDir::new().expect("a temporary directory") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// An entry of the allow-list: the image runs this script, which finds the pipes at `$1`, `$2` and so on.
    pub(crate) fn entry(&self, image: &str, script: &str, pipes: &[&Pipe]) -> String {
        let pipes: String = pipes.iter().map(|pipe| format!(" {}", pipe.path.display())).collect();
        format!("{image}=/bin/sh {}{pipes}", self.script(image, script))
    }

    /// A script for a shell. Read by it and not run as a file, which could be "busy" while another thread forks.
    pub(crate) fn script(&self, name: &str, script: &str) -> String {
        let path = self.path(&format!("{name}.sh"));
        std::fs::write(&path, script).expect("the script is written");
        path.display().to_string()
    }

    pub(crate) fn pipe(&self, name: &str) -> Pipe {
        let path = self.path(name);
        nix::unistd::mkfifo(&path, Mode::S_IRWXU).expect("a named pipe");
        // Open from the start for reading, so that a script can open it for writing at once.
        let reader = pipe::OpenOptions::new().open_receiver(&path).expect("it is open");
        Pipe { path, reader }
    }
}

/// What a script and its children write to a named pipe.
pub(crate) struct Pipe {
    path: PathBuf,
    reader: pipe::Receiver,
}

impl Pipe {
    /// Reads a line that a script writes.
    pub(crate) async fn line(&mut self) -> String {
        let mut line = String::new();
        loop {
            match soon("a line of the script", self.reader.read_u8()).await {
                Ok(b'\n') => return line,
                Ok(byte) => line.push(byte.into()),
                // Nobody has it open yet.
                Err(_) => self.reader.readable().await.expect("the pipe works"),
            }
        }
    }

    /// Returns when no process has the pipe open any more: whoever had it is dead.
    pub(crate) async fn all_dead(&mut self) {
        let mut rest = Vec::new();
        soon("the death of all", self.reader.read_to_end(&mut rest)).await.expect("the pipe works");
    }

    /// Writes a line for a script that waits with [`WAIT`].
    pub(crate) async fn release(&self) {
        let mut writer = pipe::OpenOptions::new().open_sender(&self.path).expect("the reader is open");
        writer.write_all(b"go\n").await.expect("the pipe works");
    }
}
