use std::{
    fmt::Debug,
    io,
    ops::{Bound, Range, RangeBounds},
    sync::{Arc, Weak},
};

use futures::{Stream, StreamExt, TryStreamExt, stream};
use openraft::{OptionalSend, RaftLogReader};
use rocksdb::DB;

use super::{Disk, shared::Shared, tail::entry_bytes};
use crate::{Entry, StoreError, TypeConfig, Vote, limits::LOG_READ_BYTES};

/// Reads the Raft log: the tail in memory, or else the disk.
#[derive(Clone)]
pub struct LogReader {
    pub(super) shared: Arc<Shared>,
    pub(super) disk: Arc<Disk>,
}

/// A [`LogReader`] that does not keep the log open.
#[derive(Clone)]
pub(crate) struct WeakLog {
    shared: Weak<Shared>,
    disk: Weak<Disk>,
}

impl WeakLog {
    /// The reader, while the log is open.
    pub(crate) fn upgrade(&self) -> Option<LogReader> {
        Some(LogReader { shared: self.shared.upgrade()?, disk: self.disk.upgrade()? })
    }
}

impl LogReader {
    pub(crate) fn downgrade(&self) -> WeakLog {
        WeakLog { shared: Arc::downgrade(&self.shared), disk: Arc::downgrade(&self.disk) }
    }

    /// The database, and the families that it has.
    pub(crate) fn database(&self) -> (&DB, &[&'static str]) {
        self.disk.database()
    }

    /// The entries of a range that the log has, as of one moment; fewer only when their sizes reach `limit` bytes,
    /// but at least one.
    async fn read(&self, range: Range<u64>, limit: usize) -> io::Result<Vec<Entry>> {
        {
            let state = self.shared.read()?;
            let range = state.view.clamp(range.clone());
            if range.is_empty() || range.start >= state.view.tail.first() {
                return Ok(limited(state.view.tail.range(range).map(Ok), limit)?);
            }
        }
        let reader = self.clone();
        let read = move || reader.read_disk(range, limit);
        tokio::task::spawn_blocking(read).await.map_err(io::Error::other)?
    }

    /// As `read`, where the tail alone does not do.
    fn read_disk(&self, range: Range<u64>, limit: usize) -> io::Result<Vec<Entry>> {
        let state = self.shared.read()?;
        let range = state.view.clamp(range);
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let split = state.view.tail.first().clamp(range.start, range.end);
        let tail = limited(state.view.tail.range(split..range.end).map(Ok), limit)?;
        // Taken under the lock. The disk never has less than the view says of what is before the tail, and what is
        // cut off or purged later is still in it.
        let snapshot = self.disk.snapshot();
        drop(state);
        let disk = snapshot.entries(range.start..split);
        Ok(limited(disk.chain(tail.into_iter().map(Ok)), limit)?)
    }
}

/// The first of these entries, until their sizes reach `limit` bytes; at least one, if there is one.
fn limited(
    entries: impl Iterator<Item = Result<Entry, StoreError>>,
    limit: usize,
) -> Result<Vec<Entry>, StoreError> {
    let (mut taken, mut bytes) = (Vec::new(), 0);
    for entry in entries {
        let entry = entry?;
        bytes += entry_bytes(&entry);
        if bytes > limit && !taken.is_empty() {
            break;
        }
        taken.push(entry);
    }
    Ok(taken)
}

impl RaftLogReader<TypeConfig> for LogReader {
    async fn try_get_log_entries<R>(&mut self, range: R) -> io::Result<Vec<Entry>>
    where
        R: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        self.read(half_open(&range), usize::MAX).await
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<Entry>> {
        self.read(start..end, LOG_READ_BYTES).await
    }

    /// What is to be applied may be long: it is read as it is consumed.
    async fn entries_stream<R>(&mut self, range: R) -> impl Stream<Item = io::Result<Entry>> + OptionalSend
    where
        R: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let chunks = stream::try_unfold((self.clone(), half_open(&range)), |(reader, range)| async move {
            let entries = reader.read(range.clone(), LOG_READ_BYTES).await?;
            let Some(last) = entries.last() else { return Ok::<_, io::Error>(None) };
            let rest = last.log_id.index + 1..range.end;
            Ok(Some((stream::iter(entries).map(Ok), (reader, rest))))
        });
        chunks.try_flatten().boxed()
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        Ok(self.shared.read()?.view.vote)
    }
}

fn half_open(range: &impl RangeBounds<u64>) -> Range<u64> {
    let start = match range.start_bound() {
        Bound::Included(&index) => index,
        Bound::Excluded(&index) => index.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(&index) => index.saturating_add(1),
        Bound::Excluded(&index) => index,
        Bound::Unbounded => u64::MAX,
    };
    start..end
}
