use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::time::Instant;

use arc_swap::ArcSwap;
use futures::{FutureExt, Stream, StreamExt};
use openraft::alias::{SnapshotMetaOf, SnapshotOf};
use openraft::storage::{ApplyResponder, EntryResponder, RaftStateMachine};
use openraft::{EntryPayload, OptionalSend};
use parking_lot::{Mutex, RwLock};
use quorate_core::FeatureLevel;

use super::generations::Generations;
use super::space::TableSpace;
use super::tuning::Tuning;
use super::{AppliedEntry, Applier, ApplyObserver};
use crate::blocking::blocking;
use crate::files::RemovableDir;
use crate::limits::FULL_DISK_PAUSE;
use crate::metrics::METRICS;
use crate::patience::Patience;
use crate::rows::answers::Answers;
use crate::rows::codec::WHAT;
use crate::rows::db::{Db, DbSettings};
use crate::rows::generation::Generation;
use crate::rows::meta::Meta;
use crate::snapshot::{SnapshotBuilder, SnapshotDir, SnapshotStore};
use crate::{DataDir, Entry, LogId, OnFull, Reader, StoreError, StoredMembership, TypeConfig};

/// The job table of a node, as openraft's state machine.
pub struct JobTable {
    generations: Generations,
    snapshots: SnapshotStore,
    /// What the readers follow.
    live: Arc<ArcSwap<Generation>>,
    /// Never contended: a RocksDB batch may move between threads, but openraft wants to share its state machine.
    applier: Mutex<Applier>,
    observer: Arc<dyn ApplyObserver>,
    on_full: OnFull,
    tuning: Tuning,
}

impl JobTable {
    /// Opens the job table of a data directory, or makes an empty one. The observer hears of every entry that is
    /// applied from now on. `understood` is the highest feature level that this program understands.
    ///
    /// # Errors
    /// [`StoreError::Newer`], [`StoreError::Damaged`], [`StoreError::Io`].
    pub fn open(
        data_dir: &DataDir,
        observer: Arc<dyn ApplyObserver>,
        understood: FeatureLevel,
    ) -> Result<JobTable, StoreError> {
        let tuning = Tuning { level: understood, ..Tuning::default() };
        JobTable::open_tuned(data_dir, observer, tuning, DbSettings::new(data_dir.sizes()))
    }

    pub(crate) fn open_tuned(
        data_dir: &DataDir,
        observer: Arc<dyn ApplyObserver>,
        tuning: Tuning,
        settings: DbSettings,
    ) -> Result<JobTable, StoreError> {
        let on_full = data_dir.on_full().clone();
        let (generations, db, dir) = Generations::open(data_dir.jobs(), settings.clone())?;
        let snapshots = SnapshotStore::open(data_dir.snapshot(), settings, on_full.clone(), tuning.level)?;
        let applier = take_up(db, dir, tuning)?;
        let live = Arc::new(ArcSwap::new(Arc::clone(&applier.generation)));
        Ok(JobTable { generations, snapshots, live, applier: Mutex::new(applier), observer, on_full, tuning })
    }

    /// Reads of this table, also after a snapshot has replaced it.
    pub fn reader(&self) -> Reader {
        Reader::new(Arc::clone(&self.live))
    }

    /// The table, for whoever does not keep it open.
    pub(crate) fn downgrade(&self) -> Weak<ArcSwap<Generation>> {
        Arc::downgrade(&self.live)
    }

    /// The last entry that it has, or that a snapshot has which is not installed yet.
    pub fn reaches(&self) -> Option<LogId> {
        let snapshot = self.snapshots.current().and_then(|current| current.meta.last_log_id);
        self.applier.lock().meta().last_applied.max(snapshot)
    }

    /// What the table takes of the disk.
    pub fn space(&self) -> TableSpace {
        TableSpace::new(Arc::clone(&self.live), self.snapshots.clone())
    }

    /// The snapshots of this node: where one from a peer is received.
    pub fn snapshots(&self) -> SnapshotStore {
        self.snapshots.clone()
    }

    #[cfg(test)]
    pub(crate) fn applier(&mut self) -> &mut super::applier::Applier {
        self.applier.get_mut()
    }

    fn apply_entries(&mut self, entries: &[Entry]) -> Result<Vec<AppliedEntry>, StoreError> {
        let applier = self.applier.get_mut();
        let applied = entries.iter().map(|entry| applier.apply(entry)).collect::<Result<_, _>>()?;
        applier.write()?;
        Ok(applied)
    }

    async fn apply_when_there_is_room(&mut self, entries: &[Entry]) -> Result<Vec<AppliedEntry>, StoreError> {
        let mut patience = Patience::new(&self.on_full);
        loop {
            match caught(|| self.apply_entries(entries)) {
                Err(error) if patience.bears(&error, "to the job table") => {
                    tokio::time::sleep(FULL_DISK_PAUSE).await;
                    // What is in memory is ahead of what could be written: it begins again from there.
                    let applier = self.applier.get_mut();
                    *applier =
                        caught(|| blocking(|| Applier::load(Arc::clone(&applier.generation), self.tuning)))?;
                }
                applied => {
                    patience.done();
                    return applied;
                }
            }
        }
    }

    fn install(
        &mut self,
        meta: &SnapshotMetaOf<TypeConfig>,
        snapshot: &SnapshotDir,
    ) -> Result<(), StoreError> {
        self.snapshots.verify(snapshot.path(), meta)?;
        let (db, dir) = self.generations.prepare_next(snapshot.path())?;
        let applier = take_up(db, dir, self.tuning)?;
        let (from, to) = (self.applier.get_mut().meta().last_applied, applier.meta().last_applied);
        assert!(from <= to, "a snapshot takes the table back from {from:?} to {to:?}");
        // First the snapshot, then the table: openraft takes up a snapshot that is ahead of the table at a start,
        // but not a table that is ahead of a log which a crash kept from being purged.
        self.snapshots.adopt(snapshot, meta)?;
        self.generations.advance()?;
        applier.generation.dir.keep();
        self.live.store(Arc::clone(&applier.generation));
        let last = std::mem::replace(self.applier.get_mut(), applier);
        last.generation.dir.remove();
        Ok(())
    }
}

/// Makes an opened database the generation that is written and read.
fn take_up(db: Db, dir: RemovableDir, tuning: Tuning) -> Result<Applier, StoreError> {
    let meta = Meta::read(&db)?;
    StoreError::check_level(WHAT, meta.level, tuning.level)?;
    let answers = RwLock::new(Answers::load(&db, meta.answers_front)?);
    let (published, queues, workers) = (ArcSwap::default(), RwLock::default(), RwLock::default());
    let operations = RwLock::default();
    let generation = Generation { db, published, answers, queues, workers, operations, dir };
    Applier::load(Arc::new(generation), tuning)
}

/// Where a panic is an error: openraft stops, instead of waiting for an answer for ever.
fn caught<T>(work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result,
        Err(_) => Err(StoreError::damaged(WHAT, "a rule that always holds does not; see the panic above")),
    }
}

impl RaftStateMachine<TypeConfig> for JobTable {
    type SnapshotData = SnapshotDir;
    type SnapshotBuilder = SnapshotBuilder;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        let meta = self.applier.get_mut().meta();
        Ok((meta.last_applied, meta.membership.clone()))
    }

    /// Applies what is ready, many entries in one write. An error means that this replica is broken: openraft stops,
    /// and drops the responders that were not answered.
    async fn apply<S>(&mut self, mut entries: S) -> io::Result<()>
    where
        S: Stream<Item = io::Result<EntryResponder<TypeConfig>>> + Unpin + OptionalSend,
    {
        while let Some((entries, responders)) = next_write(&mut entries, self.tuning).await? {
            let begun = Instant::now();
            let applied = self.apply_when_there_is_room(&entries).await?;
            METRICS.apply.record(begun.elapsed());
            METRICS.apply_entries.record(entries.len() as f64);
            for entry in applied {
                self.observer.applied(entry);
            }
            for responder in responders {
                responder.send(());
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> SnapshotBuilder {
        SnapshotBuilder::new(Arc::clone(&self.applier.get_mut().generation), self.snapshots.clone())
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMetaOf<TypeConfig>,
        snapshot: SnapshotDir,
    ) -> io::Result<()> {
        let begun = Instant::now();
        let mut patience = Patience::new(&self.on_full);
        while let Err(error) = caught(|| blocking(|| self.install(meta, &snapshot))) {
            if !patience.bears(&error, "of an installed snapshot") {
                return Err(error.into());
            }
            tokio::time::sleep(FULL_DISK_PAUSE).await;
        }
        patience.done();
        METRICS.snapshot_install.record(begun.elapsed());
        self.observer.installed();
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<SnapshotOf<TypeConfig, SnapshotDir>>> {
        Ok(self.snapshots.current())
    }
}

/// The entries of one write, and who waits for them: what the stream has ready, up to a bound.
async fn next_write<S>(
    stream: &mut S,
    tuning: Tuning,
) -> io::Result<Option<(Vec<Entry>, Vec<ApplyResponder<TypeConfig>>)>>
where
    S: Stream<Item = io::Result<EntryResponder<TypeConfig>>> + Unpin,
{
    let (mut entries, mut responders, mut bytes) = (Vec::new(), Vec::new(), 0);
    let mut next = stream.next().await;
    while let Some(item) = next {
        let (entry, responder) = item?;
        bytes += match &entry.payload {
            EntryPayload::Normal(batch) => batch.0.len(),
            EntryPayload::Blank | EntryPayload::Membership(_) => 0,
        };
        entries.push(entry);
        responders.extend(responder);
        if entries.len() >= tuning.entries || bytes >= tuning.bytes {
            break;
        }
        next = stream.next().now_or_never().flatten();
    }
    Ok((!entries.is_empty()).then_some((entries, responders)))
}
