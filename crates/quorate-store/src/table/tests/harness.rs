use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;

use openraft::alias::SnapshotOf;
use openraft::entry::RaftEntry;
use openraft::storage::{RaftSnapshotBuilder, RaftStateMachine};
use openraft::vote::leader_id_std::CommittedLeaderId;
use parking_lot::Mutex;
use quorate_core::testing::Rng;
use quorate_core::{Answered, Applied, Batch, Dump, FeatureLevel};
use rocksdb::Cache;
use tempfile::TempDir;

use crate::rows::db::DbSettings;
use crate::snapshot::SnapshotDir;
use crate::table::tuning::Tuning;
use crate::table::{AppliedEntry, ApplyObserver, JobTable};
use crate::{BatchBytes, DataDir, Entry, LogId, StoreError, TypeConfig};

/// A job table in a directory of its own, which can be closed and opened again.
pub(crate) struct Harness {
    pub(crate) dir: TempDir,
    pub(crate) data_dir: DataDir,
    pub(crate) observer: Arc<Recorder>,
    /// The highest feature level that is understood. A history may raise it far.
    pub(crate) understood: FeatureLevel,
    /// Of the entries.
    pub(crate) term: u64,
    table: Option<JobTable>,
}

/// Keeps what a table announced.
#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) applied: Mutex<Vec<AppliedEntry>>,
    pub(crate) installed: Mutex<usize>,
}

impl ApplyObserver for Recorder {
    fn applied(&self, entry: AppliedEntry) {
        self.applied.lock().push(entry);
    }

    fn installed(&self) {
        *self.installed.lock() += 1;
    }
}

/// Windows so small that every edge is met all the time.
pub(crate) fn small(rng: &mut Rng) -> Tuning {
    let mut below = |bound| 1 + usize::try_from(rng.below(bound)).unwrap();
    Tuning {
        lane: below(4),
        timers: below(4),
        index: below(4),
        running: below(3),
        images: below(3),
        latest_ids: below(4),
        lane_jobs: below(12),
        lanes: below(3),
        entries: below(6),
        bytes: 1 << below(16),
        ..Tuning::default()
    }
}

impl Harness {
    pub(crate) fn new(tuning: Tuning) -> Harness {
        Harness::at(TempDir::new().unwrap(), tuning)
    }

    /// The table in a directory that may have one.
    pub(crate) fn at(dir: TempDir, tuning: Tuning) -> Harness {
        let data_dir = DataDir::open(dir.path()).unwrap();
        let mut harness = Harness {
            dir,
            data_dir,
            observer: Arc::default(),
            understood: FeatureLevel(u32::MAX),
            term: 1,
            table: None,
        };
        harness.reopen(tuning);
        harness
    }

    pub(crate) fn table(&mut self) -> &mut JobTable {
        self.table.as_mut().unwrap()
    }

    pub(crate) fn close(&mut self) {
        self.table = None;
    }

    pub(crate) fn reopen(&mut self, tuning: Tuning) {
        self.close();
        self.table = Some(self.try_open(tuning).unwrap());
    }

    pub(crate) fn try_open(&self, tuning: Tuning) -> Result<JobTable, StoreError> {
        let observer: Arc<Recorder> = Arc::clone(&self.observer);
        // A cache of its own, as a process has after a restart.
        let cache = Cache::new_lru_cache(1 << 20);
        let settings = DbSettings { cache, sizes: self.data_dir.sizes() };
        let tuning = Tuning { level: self.understood, ..tuning };
        JobTable::open_tuned(&self.data_dir, observer, tuning, settings)
    }

    /// Applies batches as openraft does when all of them are ready, and gives their answers.
    pub(crate) async fn apply(
        &mut self,
        batches: impl IntoIterator<Item = (u64, Batch)>,
    ) -> Vec<Vec<Answered>> {
        self.carry_out(batches).await.into_iter().map(|applied| applied.answers).collect()
    }

    /// The same, with all that came of them.
    pub(crate) async fn carry_out(
        &mut self,
        batches: impl IntoIterator<Item = (u64, Batch)>,
    ) -> Vec<Applied> {
        self.observer.applied.lock().clear();
        let leader_id = CommittedLeaderId::new(self.term);
        let of_term = |entry: Entry| Entry { log_id: LogId { leader_id, ..entry.log_id }, ..entry };
        let entries: Vec<_> =
            batches.into_iter().map(|(index, batch)| Ok((of_term(entry(index, batch)), None))).collect();
        let last = entries.last().map(|entry| entry.as_ref().unwrap().0.log_id.index);
        self.table().apply(futures::stream::iter(entries)).await.unwrap();
        assert_eq!(last, Some(self.table().reader().applied_index()));
        let announced = std::mem::take(&mut *self.observer.applied.lock());
        announced
            .into_iter()
            .map(|entry| Applied { answers: entry.answered, effects: entry.effects })
            .collect()
    }

    pub(crate) fn dump(&mut self) -> Dump {
        self.table().applier().dump().unwrap()
    }

    /// Makes a snapshot and has another table install it, by the way of the network.
    pub(crate) async fn send_snapshot(&mut self, to: &mut Harness) {
        let snapshot = self.table().get_snapshot_builder().await.build_snapshot().await.unwrap();
        let received = transfer(&snapshot, to).await.unwrap();
        to.table().install_snapshot(&snapshot.meta, received).await.unwrap();
    }
}

/// A snapshot's way over the network, chunk by chunk.
pub(crate) async fn transfer(snapshot: &Snapshot, to: &mut Harness) -> Result<SnapshotDir, StoreError> {
    let mut receiver = to.table().snapshots().receive().await?;
    for file in snapshot.snapshot.files() {
        receiver.begin_file(&file.name, file.bytes).await?;
        let mut reader = snapshot.snapshot.open(file).await?;
        while let Some(chunk) = reader.chunk(700).await? {
            receiver.chunk(&chunk).await?;
        }
        receiver.end_file(reader.crc32c()).await?;
    }
    receiver.finish(&snapshot.meta).await
}

pub(crate) type Snapshot = SnapshotOf<TypeConfig, SnapshotDir>;

pub(crate) fn log_id(index: u64) -> LogId {
    LogId { leader_id: CommittedLeaderId::new(1), index }
}

pub(crate) fn entry(index: u64, batch: Batch) -> Entry {
    let bytes = BatchBytes(quorate_proto::encode_batch(batch));
    <Entry as RaftEntry>::new(log_id(index), openraft::EntryPayload::Normal(bytes))
}

/// Compares part by part, so that a failure shows the part.
#[track_caller]
pub(crate) fn assert_same(found: &Dump, expected: &Dump, context: &str) {
    let Dump {
        clock,
        settings,
        level,
        next_seq,
        jobs,
        payloads,
        logs,
        log_parts,
        queued,
        timers,
        finished,
        kept,
        unique,
        dispatch,
        images,
        operations,
        keys,
        answers,
    } = expected;
    assert_eq!(found.clock, *clock, "clock, {context}");
    assert_eq!(found.settings, *settings, "settings, {context}");
    assert_eq!(found.level, *level, "level, {context}");
    assert_eq!(found.next_seq, *next_seq, "next_seq, {context}");
    assert_entries(&found.jobs, jobs, "jobs", context);
    assert_entries(&found.payloads, payloads, "payloads", context);
    assert_entries(&found.logs, logs, "logs", context);
    assert_entries(&found.log_parts, log_parts, "log parts", context);
    assert_eq!(found.queued, *queued, "queued, {context}");
    assert_eq!(found.timers, *timers, "timers, {context}");
    assert_eq!(found.finished, *finished, "finished, {context}");
    assert_eq!(found.kept, *kept, "kept, {context}");
    assert_entries(&found.dispatch.queues, &dispatch.queues, "queues", context);
    assert_entries(&found.dispatch.lanes, &dispatch.lanes, "lanes", context);
    assert_entries(&found.dispatch.turns, &dispatch.turns, "turns of keys", context);
    assert_entries(&found.dispatch.running, &dispatch.running, "running of keys", context);
    assert_entries(&found.dispatch.workers, &dispatch.workers, "workers", context);
    assert_entries(&found.unique, unique, "unique jobs", context);
    assert_eq!(found.dispatch.next_queue, dispatch.next_queue, "next_queue, {context}");
    assert_entries(&found.images, images, "images", context);
    assert_entries(&found.operations, operations, "operations", context);
    assert_entries(&found.keys, keys, "keys", context);
    assert_entries(&found.answers, answers, "answers", context);
}

#[track_caller]
fn assert_entries<K: Ord + Debug, V: PartialEq + Debug>(
    found: &BTreeMap<K, V>,
    expected: &BTreeMap<K, V>,
    part: &str,
    context: &str,
) {
    let keys: BTreeSet<_> = found.keys().chain(expected.keys()).collect();
    for key in keys {
        assert_eq!(found.get(key), expected.get(key), "{key:?} of the {part}, {context}");
    }
}
