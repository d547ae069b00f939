use std::{fmt::Debug, io, ops::RangeBounds, sync::Arc};

use openraft::{
    OptionalSend, RaftLogReader,
    storage::{IOFlushed, LogState, RaftLogStorage},
};

use crate::{DataDir, Entry, LogId, StoreError, TypeConfig, Vote};

/// The Raft log and the vote.
#[derive(Clone)]
pub struct LogStore {
    reader: LogReader,
}

/// Reads the Raft log.
#[derive(Clone)]
pub struct LogReader {}

/// What the log's writer calls when the disk failed: nothing can be promised any more, so the node ends the process.
pub type OnFailure = Arc<dyn Fn(&StoreError) + Send + Sync>;

impl LogStore {
    /// Opens the log of a data directory, or makes an empty one.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`], [`StoreError::LostEntries`], [`StoreError::Io`].
    pub fn open(_dir: &DataDir, _on_failure: OnFailure) -> Result<LogStore, StoreError> {
        Err(StoreError::Damaged { what: "raft log", reason: String::from("unwritten") })
    }

    /// Writes what is queued and ends the writer. Every later write is refused.
    ///
    /// # Errors
    ///
    /// What the writer failed with.
    pub fn close(self) -> Result<(), StoreError> {
        Ok(())
    }
}

impl RaftLogReader<TypeConfig> for LogReader {
    async fn try_get_log_entries<R: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        _range: R,
    ) -> io::Result<Vec<Entry>> {
        Ok(Vec::new())
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        Ok(None)
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = LogReader;

    async fn get_log_state(&mut self) -> io::Result<LogState<TypeConfig>> {
        Ok(LogState::default())
    }

    async fn get_log_reader(&mut self) -> LogReader {
        self.reader.clone()
    }

    async fn save_vote(&mut self, _vote: &Vote) -> io::Result<()> {
        Ok(())
    }

    async fn append<I>(&mut self, _entries: I, callback: IOFlushed<TypeConfig>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        callback.io_completed(Ok(()));
        Ok(())
    }

    async fn truncate_after(&mut self, _last: Option<LogId>) -> io::Result<()> {
        Ok(())
    }

    async fn purge(&mut self, _upto: LogId) -> io::Result<()> {
        Ok(())
    }

    async fn save_committed(&mut self, _committed: Option<LogId>) -> io::Result<()> {
        Ok(())
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        Ok(None)
    }
}
