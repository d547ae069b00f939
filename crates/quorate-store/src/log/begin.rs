//! The log of a directory in which no node runs: made, changed by a person's command, looked into.

use futures::executor::block_on;
use openraft::entry::RaftEntry;
use openraft::storage::{RaftLogStorage, RaftLogStorageExt};

use super::disk::Recovered;
use super::store::{check_mark, check_term, check_vote};
use super::{LogStore, disk};
use crate::high_water::{HighWater, Mark};
use crate::{DataDir, Entry, LogId, Lost, Membership, StoreError, Vote};

/// How a log is to go on.
pub(crate) struct Beginning {
    /// Everything up to there is in the table, and nothing that the log has counts.
    pub(crate) purged: Option<LogId>,
    /// This node led the last term.
    pub(crate) vote: Vote,
    /// And wrote this at the end.
    pub(crate) entry: Option<(LogId, Membership)>,
}

/// Has the log go on so. Durable when it returns, with its mark.
pub(crate) fn begin(dir: &DataDir, beginning: Beginning) -> Result<(), StoreError> {
    let failed = |source| StoreError::failed("the log".to_owned(), source);
    let mut log = LogStore::open_to_begin(dir)?;
    block_on(async {
        if let Some(purged) = beginning.purged {
            log.begin_behind(purged).await?;
        }
        // It waits for what was queued before it.
        log.save_vote(&beginning.vote).await?;
        if let Some((id, membership)) = beginning.entry {
            let entry = <Entry as RaftEntry>::new_membership(id, membership);
            log.blocking_append([entry]).await.map_err(std::io::Error::other)?;
        }
        Ok(())
    })
    .map_err(failed)?;
    log.close()
}

/// What a log says, read without changing anything.
pub(crate) struct Look {
    pub(crate) purged: Option<LogId>,
    pub(crate) last: Option<LogId>,
    pub(crate) vote: Option<Vote>,
    pub(crate) committed: Option<LogId>,
    pub(crate) mark: Mark,
    /// What it has less than its mark says, or than its entries do: [`LogStore::open`] refuses it.
    pub(crate) lost: Option<Lost>,
    /// The last one in it.
    pub(crate) membership: Option<(LogId, Membership)>,
}

/// Looks into the log of a directory, whose table has everything up to `applied`.
pub(crate) fn look(dir: &DataDir, applied: Option<LogId>) -> Result<Look, StoreError> {
    let (_, mark) = HighWater::open(&dir.high_water())?;
    let disk = disk::Disk::open_read_only(&dir.raft(), dir.sizes())?;
    let recovered = disk.recover()?;
    let lost = match check_mark(&disk, mark, &recovered).and_then(|()| check_vote(&recovered)) {
        Err(StoreError::LostEntries { lost, .. }) => Some(lost),
        checked => checked.map(|()| None)?,
    };
    check_term(&recovered)?;
    let Recovered { purged, last, vote, committed, first, .. } = recovered;
    // Behind a table that it does not fit, nothing in it counts.
    let fits = applied.map_or(Ok(true), |applied| disk.has(applied, purged, last))?;
    let from = applied.map_or(0, |applied| applied.index + 1).max(first);
    let end = last.filter(|_| fits).map_or(0, |last| last.index + 1);
    let mut membership = None;
    for entry in disk.snapshot().entries(from..end.max(from)) {
        let entry = entry?;
        if let openraft::EntryPayload::Membership(found) = &entry.payload {
            membership = Some((entry.log_id, found.clone()));
        }
    }
    Ok(Look { purged, last, vote, committed, mark, lost, membership })
}

/// Lets the mark say what the log has, however little that is.
pub(crate) fn forget_mark(dir: &DataDir) -> Result<(), StoreError> {
    HighWater::create(&dir.high_water())
}
