use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread::{self, JoinHandle},
};

use openraft::{
    OptionalSend,
    storage::{IOFlushed, LogState, RaftLogStorage},
};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::{
    Disk, HighWater,
    disk::{self, Recovered},
    flush_writer::{FlushWriter, OnFailure},
    mark_writer::MarkWriter,
    queue::Change,
    reader::LogReader,
    shared::Shared,
    view::View,
};
use crate::{
    DataDir, Entry, LogId, Lost, StoreError, TypeConfig, Vote,
    high_water::Mark,
    limits::{LOG_TAIL_BYTES, TERM},
    patience::Patience,
};

/// The Raft log and the vote, as Raft writes them. Clones are the same log; when the last one goes, what is queued
/// is written.
#[derive(Clone)]
pub struct LogStore {
    pub(super) reader: LogReader,
    writer: Arc<WriterThread>,
}

/// Where a log ends. It keeps none of its files open.
#[derive(Clone)]
pub struct LogEnd(Arc<Shared>);

impl LogEnd {
    /// The last entry, or the last that was purged, and the vote.
    ///
    /// # Errors
    /// [`StoreError::Io`] if a write failed.
    pub fn now(&self) -> Result<(Option<LogId>, Option<Vote>), StoreError> {
        let state = self.0.read().map_err(|source| StoreError::Io { what: "the log".to_owned(), source })?;
        Ok((state.view.last, state.view.vote))
    }
}

struct WriterThread {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl LogStore {
    /// Opens the log of a data directory, or begins one.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`], [`StoreError::LostEntries`], [`StoreError::Io`].
    pub fn open(dir: &DataDir, on_failure: OnFailure) -> Result<LogStore, StoreError> {
        LogStore::open_with(dir, on_failure, LOG_TAIL_BYTES)
    }

    /// The same, of a log that may have lost its vote, where another one is about to take its place.
    pub(super) fn open_to_begin(dir: &DataDir) -> Result<LogStore, StoreError> {
        LogStore::open_checked(dir, Arc::new(|_| ()), LOG_TAIL_BYTES, |_| Ok(()))
    }

    pub(super) fn open_with(
        dir: &DataDir,
        on_failure: OnFailure,
        tail_bytes: usize,
    ) -> Result<LogStore, StoreError> {
        LogStore::open_checked(dir, on_failure, tail_bytes, check_vote)
    }

    fn open_checked(
        dir: &DataDir,
        on_failure: OnFailure,
        tail_bytes: usize,
        check: fn(&Recovered) -> Result<(), StoreError>,
    ) -> Result<LogStore, StoreError> {
        // First the mark: without one, a log is not begun either.
        let (mut high_water, mark) = HighWater::open(&dir.high_water())?;
        let disk = Disk::open(&dir.raft(), dir.sizes())?;
        let recovered = disk.recover()?;
        check_mark(&disk, mark, &recovered)?;
        check(&recovered)?;
        check_term(&recovered)?;
        // What a crash left in the write-ahead log is synced by now, and counts from now on.
        let mark = Mark { last: recovered.last, vote: recovered.vote };
        let path = dir.high_water();
        high_water.put(mark).and_then(|()| high_water.sync()).map_err(StoreError::io("write", &path))?;

        let disk = Arc::new(disk);
        let shared = Arc::new(Shared::new(View::new(&recovered, tail_bytes)));
        let spawned = StoreError::io("start the log's thread of", dir.path());
        let writer = FlushWriter {
            shared: shared.clone(),
            write: Box::new({
                let disk = disk.clone();
                move |flush| disk.write(flush)
            }),
            marks: MarkWriter::new(high_water, mark),
            committed: recovered.committed,
            on_failure,
            patience: Patience::new(dir.on_full()),
        };
        let thread = WriterThread::spawn(writer).map_err(spawned)?;
        Ok(LogStore { reader: LogReader { shared, disk }, writer: Arc::new(thread) })
    }

    /// Writes what is queued and ends the writer, also for the clones: later changes are refused. Blocks meanwhile.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`] if a write failed, now or earlier.
    pub fn close(self) -> Result<(), StoreError> {
        self.writer.stop();
        let open = self.reader.shared.read().map(drop);
        open.map_err(|source| StoreError::failed("the log's last writes".to_owned(), source))
    }

    /// The bytes that are on the disk in the write-ahead log alone, about.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn unflushed(&self) -> Result<u64, StoreError> {
        self.reader.disk.unflushed()
    }

    /// Gives back to the file system what purged entries still take. Blocks; needs room for what is unflushed.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn reclaim(&self) -> Result<(), StoreError> {
        self.reader.disk.reclaim()
    }

    /// Reads beside Raft.
    pub fn reader(&self) -> LogReader {
        self.reader.clone()
    }

    /// Where it ends, for whoever asks who must not keep it open.
    pub fn end(&self) -> LogEnd {
        LogEnd(Arc::clone(&self.reader.shared))
    }

    /// Whether a closed log has no other handle and no reader any more: with this one its files go.
    pub fn is_last(&self) -> bool {
        Arc::strong_count(&self.reader.disk) == 1
    }
}

impl WriterThread {
    fn spawn(writer: FlushWriter) -> io::Result<WriterThread> {
        let shared = writer.shared.clone();
        let run = move || {
            let (shared, on_failure) = (writer.shared.clone(), writer.on_failure.clone());
            if catch_unwind(AssertUnwindSafe(|| writer.run())).is_err() {
                let error = StoreError::damaged("the log's writer", "it panicked");
                drop(shared.fail(&error.to_string()));
                on_failure(&error);
            }
        };
        let thread = thread::Builder::new().name("raft-log".to_owned()).spawn(run)?;
        Ok(WriterThread { shared, thread: Mutex::new(Some(thread)) })
    }

    fn stop(&self) {
        self.shared.close();
        if let Some(thread) = self.thread.lock().take() {
            // Its panics are caught.
            let _ = thread.join();
        }
    }
}

impl Drop for WriterThread {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Refuses a log that has less than its mark says.
pub(super) fn check_mark(disk: &disk::Disk, mark: Mark, recovered: &Recovered) -> Result<(), StoreError> {
    let &Recovered { purged, last, vote, .. } = recovered;
    let has_entry = mark.last.map_or(Ok(true), |id| disk.has(id, purged, last))?;
    let has_vote = mark.vote.is_none_or(|marked| vote.is_some_and(|vote| vote >= marked));
    if has_entry && has_vote {
        return Ok(());
    }
    let lost = if has_entry { Lost::Vote } else { Lost::Entries };
    Err(StoreError::LostEntries { lost, marked: say(mark.last, mark.vote), found: say(last, vote) })
}

/// Refuses a vote from before the log's own entries: whoever appends has voted for their leader, and could vote twice.
pub(super) fn check_vote(&Recovered { last, vote, .. }: &Recovered) -> Result<(), StoreError> {
    let term = last.map_or(0, |last| last.leader_id.term);
    if term <= vote.map_or(0, |vote| vote.leader_id.term) {
        return Ok(());
    }
    let marked = format!("a vote of term {term}, of which there are entries");
    Err(StoreError::LostEntries { lost: Lost::Vote, marked, found: say(last, vote) })
}

fn say(last: Option<LogId>, vote: Option<Vote>) -> String {
    let last = last.map_or("no entry".to_owned(), |id| format!("the last entry {id}"));
    let vote = vote.map_or("no vote".to_owned(), |vote| format!("the vote {vote}"));
    format!("{last} and {vote}")
}

/// Refuses what Raft could only end with, by name.
pub(super) fn check_term(recovered: &Recovered) -> Result<(), StoreError> {
    let voted = recovered.vote.map_or(0, |vote| vote.leader_id.term);
    let term = recovered.last.map_or(0, |last| last.leader_id.term).max(voted);
    if term > TERM { Err(StoreError::ImpossibleTerm { term }) } else { Ok(()) }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = LogReader;

    async fn get_log_state(&mut self) -> io::Result<LogState<TypeConfig>> {
        let state = self.reader.shared.read()?;
        Ok(LogState { last_purged_log_id: state.view.purged, last_log_id: state.view.last })
    }

    async fn get_log_reader(&mut self) -> LogReader {
        self.reader.clone()
    }

    /// Returns when the vote is durable, and its mark.
    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        let (saved, wait) = oneshot::channel();
        {
            let mut state = self.reader.shared.change()?;
            state.view.vote = Some(*vote);
            self.reader.shared.queue(state, Change::Vote { vote: *vote, saved });
        }
        wait.await.map_err(|_| io::Error::other("the log's writer ended"))?
    }

    /// Returns when the entries can be read, which is at once unless the queue is full.
    async fn append<I>(&mut self, entries: I, flushed: IOFlushed<TypeConfig>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<Entry> = entries.into_iter().collect();
        self.reader.shared.room().await;
        let mut state = self.reader.shared.change()?;
        let offset = state.view.end();
        state.view.append(&entries)?;
        self.reader.shared.queue(state, Change::Append { entries, offset, flushed });
        Ok(())
    }

    async fn truncate_after(&mut self, kept: Option<LogId>) -> io::Result<()> {
        let mut state = self.reader.shared.change()?;
        // Entries that are cut off are almost always in the tail: nobody was promised them.
        let on_disk = |index| Ok(self.reader.disk.snapshot().offset(index)?);
        let removed = state.view.truncate_after(kept, on_disk)?;
        if !removed.is_empty() {
            self.reader.shared.queue(state, Change::Truncate { kept, removed });
        }
        Ok(())
    }

    async fn purge(&mut self, upto: LogId) -> io::Result<()> {
        let mut state = self.reader.shared.change()?;
        if state.view.purge(upto) {
            self.reader.shared.queue(state, Change::Purge { upto });
        }
        Ok(())
    }

    /// Goes with the next flush: without a sync of its own, and never before the entries it covers.
    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        self.reader.shared.change()?.view.committed = committed;
        Ok(())
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        Ok(self.reader.shared.read()?.view.committed)
    }
}
