//! A log and a table that a crash has left apart.
//!
//! A majority without this node commits too, and it applies what its own log has not written yet. Killed then, it has a table that is
//! ahead of its log; or, where what was not written had begun by cutting off the entries of a leader that had lost, one that goes on
//! otherwise than its log. In both cases the log has nothing that counts and the table has not.

use std::io;

use futures::executor::block_on;
use openraft::storage::RaftLogStorage;

use super::{LogStore, disk};
use crate::{DataDir, JobTable, LogId, StoreError};

impl LogStore {
    /// Has the log go on from where the table is, if it lacks the entry that is the last one there. Of a log that was just opened, before
    /// Raft has it. Raft takes all up to the table as purged, so that a snapshot must have it first.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], [`StoreError::Io`], [`StoreError::DiskFull`].
    pub fn fit(&mut self, table: &JobTable) -> Result<(), StoreError> {
        let Some(applied) = table.reaches() else { return Ok(()) };
        let (purged, last) = {
            let state = self.reader.shared.read().map_err(failed)?;
            (state.view.purged, state.view.last)
        };
        if self.reader.disk.has(applied, purged, last)? {
            return Ok(());
        }
        tracing::warn!(?last, %applied, "the log lacks what the table has: it goes on from there");
        table.space().renew_snapshot()?;
        block_on(self.begin_behind(applied)).map_err(failed)
    }

    /// Has it nothing but what comes behind `applied`. A crash between the two steps leaves a table that is ahead of it.
    pub(super) async fn begin_behind(&mut self, applied: LogId) -> io::Result<()> {
        let purged = self.reader.shared.read()?.view.purged;
        self.truncate_after(purged).await?;
        self.purge(applied).await
    }
}

fn failed(source: io::Error) -> StoreError {
    StoreError::failed("the log".to_owned(), source)
}

/// The same for a directory in which no node runs, whose log may have lost something: up to where the table goes, if the log lacks
/// that. A snapshot has it then.
pub(crate) fn lacked(dir: &DataDir, table: &JobTable) -> Result<Option<LogId>, StoreError> {
    let Some(applied) = table.reaches() else { return Ok(None) };
    let disk = disk::Disk::open_read_only(&dir.raft(), dir.sizes())?;
    let recovered = disk.recover()?;
    if disk.has(applied, recovered.purged, recovered.last)? {
        return Ok(None);
    }
    table.space().renew_snapshot()?;
    Ok(Some(applied))
}
