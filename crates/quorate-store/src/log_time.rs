use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::time::Duration;

use quorate_core::Timestamp;
use quorate_proto::log::v1;

use crate::files::sealed::{seal, unseal};
use crate::{DataDir, StoreError};

const WHAT: &str = "note of log time";

/// What a node knew of log time, so that it can go on from there when it is started again on the same boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogTimeNote {
    /// What `uptime` counts from. Under another name the note says nothing.
    pub boot: String,
    /// The term of the leader that made it.
    pub term: u64,
    /// Log time was this
    pub time: Timestamp,
    /// at this uptime of the machine.
    pub uptime: Duration,
}

/// The `log-time` file: one [`LogTimeNote`], written over again and again.
///
/// It is never synced. What a process has written outlives it, and the end of the machine makes the note void anyway; a
/// torn one is noticed by its checksum.
pub struct LogTimeFile(File);

impl LogTimeFile {
    /// Opens the file of a data directory; makes it if it is not there.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn open(dir: &DataDir) -> Result<LogTimeFile, StoreError> {
        let path = dir.log_time();
        let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path);
        file.map(LogTimeFile).map_err(StoreError::io("open", &path))
    }

    /// The note; `None` before the first.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], [`StoreError::Io`]. The file can be written nevertheless.
    pub fn read(&self) -> Result<Option<LogTimeNote>, StoreError> {
        let mut sealed = vec![0; BYTES];
        let read = self.0.read_at(&mut sealed, 0).map_err(io("read the note of log time"))?;
        if read == 0 {
            return Ok(None);
        }
        let note: v1::LogTimeNote = unseal(WHAT, &sealed[..read])?;
        let v1::LogTimeNote { boot, term, time_ms, uptime_ns } = note;
        // What a file system that lost the contents makes of it is zeros.
        if boot.is_empty() {
            return Err(StoreError::damaged(WHAT, "it names no boot"));
        }
        let (time, uptime) = (Timestamp(time_ms), Duration::from_nanos(uptime_ns));
        Ok(Some(LogTimeNote { boot, term, time, uptime }))
    }

    /// Replaces the note.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn write(&self, note: LogTimeNote) -> Result<(), StoreError> {
        let LogTimeNote { boot, term, time, uptime } = note;
        let uptime_ns = u64::try_from(uptime.as_nanos()).unwrap_or(u64::MAX);
        let mut sealed = seal(&v1::LogTimeNote { boot, term, time_ms: time.0, uptime_ns });
        // One size, so that the space of the file is taken once.
        sealed.resize(BYTES.max(sealed.len()), 0);
        self.0.write_all_at(&sealed, 0).map_err(io("write the note of log time"))
    }
}

/// Of the file: a page is more than a note needs.
const BYTES: usize = 4096;

fn io(what: &'static str) -> impl FnOnce(std::io::Error) -> StoreError {
    move |source| StoreError::Io { what: what.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(term: u64) -> LogTimeNote {
        let uptime = Duration::from_nanos(1_234_567_890_123);
        LogTimeNote { boot: "one boot".to_owned(), term, time: Timestamp(1_800_000_000_123), uptime }
    }

    #[test]
    fn a_note_is_read_again_and_replaced() {
        let root = tempfile::tempdir().unwrap();
        let dir = DataDir::open(root.path()).unwrap();
        let file = LogTimeFile::open(&dir).unwrap();
        assert_eq!(file.read().unwrap(), None);
        file.write(note(u64::MAX)).unwrap();
        assert_eq!(file.read().unwrap(), Some(note(u64::MAX)));
        file.write(note(1)).unwrap();
        assert_eq!(LogTimeFile::open(&dir).unwrap().read().unwrap(), Some(note(1)));
    }

    #[test]
    fn a_damaged_note_is_noticed_and_can_be_replaced() {
        let root = tempfile::tempdir().unwrap();
        let dir = DataDir::open(root.path()).unwrap();
        let file = LogTimeFile::open(&dir).unwrap();
        file.write(note(1)).unwrap();
        for damaged in [&b""[..], b"1234", b"not sealed at all", &[0; 5000]] {
            std::fs::write(dir.log_time(), damaged).unwrap();
            let read = file.read();
            if damaged.is_empty() {
                assert_eq!(read.unwrap(), None);
            } else {
                assert!(matches!(read, Err(StoreError::Damaged { .. })), "{read:?}");
            }
        }
        file.write(note(2)).unwrap();
        assert_eq!(file.read().unwrap(), Some(note(2)));
    }
}
