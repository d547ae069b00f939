use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::unix::pipe::Receiver;
use tokio::task::JoinHandle;

use crate::background::Background;
use crate::limits;
use crate::number::{counted, form};

/// What a node writes to standard error, kept in a file.
///
/// A full file becomes `….log.1`, in the place of the one before: two of them are the most that a node leaves behind.
pub(super) struct NodeLog(JoinHandle<()>);

impl NodeLog {
    /// Keeps what comes through `from` in the file `path`, behind what stands there.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn keep(from: io::PipeReader, path: &Path) -> io::Result<NodeLog> {
        let file = Background::start(LogFile::open(path)?, |lost| {
            format!("{} {} lost\n", counted(lost, "line"), form(lost, "is", "are"))
        })?;
        let mut from = BufReader::new(Receiver::from_owned_fd(from.into())?);
        Ok(NodeLog(tokio::spawn(async move {
            let mut line = Vec::new();
            // An end without a line's end, and an error, end it too.
            while from.read_until(b'\n', &mut line).await.is_ok_and(|read| read > 0) {
                file.push(&line);
                line.clear();
            }
            file.flush();
        })))
    }

    /// Waits for what the node wrote last, once it has ended.
    pub(super) async fn ended(self) {
        let _ = tokio::time::timeout(limits::LAST_LINES, self.0).await;
    }
}

struct LogFile {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl LogFile {
    fn open(path: &Path) -> io::Result<LogFile> {
        let file = File::options().create(true).append(true).open(path)?;
        Ok(LogFile { path: path.to_owned(), bytes: file.metadata()?.len(), file })
    }

    fn begin_another(&mut self) -> io::Result<()> {
        let mut before = self.path.clone().into_os_string();
        before.push(".1");
        // If it cannot be set aside, it is overwritten.
        let _ = std::fs::rename(&self.path, before);
        self.file = File::create(&self.path)?;
        self.bytes = 0;
        Ok(())
    }
}

/// Is given whole lines.
impl Write for LogFile {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        if self.bytes + lines.len() as u64 > limits::LOG_FILE_BYTES {
            self.begin_another()?;
        }
        let written = self.file.write(lines)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_files_are_the_most_that_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("n1.log");
        std::fs::write(&path, "an earlier run\n").unwrap();
        let mut log = LogFile::open(&path).unwrap();
        let line = [&b"x".repeat(1 << 20)[..], b"\n"].concat();
        for _ in 0..3 * limits::LOG_FILE_BYTES / line.len() as u64 {
            log.write_all(&line).unwrap();
        }
        let files: Vec<u64> =
            dir.path().read_dir().unwrap().map(|file| file.unwrap().metadata().unwrap().len()).collect();
        assert_eq!(files.len(), 2);
        assert!(files.iter().all(|bytes| *bytes <= limits::LOG_FILE_BYTES), "{files:?}");
    }
}
