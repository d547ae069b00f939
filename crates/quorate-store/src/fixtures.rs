//! Data directories, snapshots and backups of each format that there was, as `tests/fixtures/format-N` has them: those since
//! [`FROZEN`] open and hold what they held, those from before are refused by name.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use openraft::storage::{RaftLogStorage, RaftLogStorageExt, RaftStateMachine};
use openraft::{EntryPayload, RaftLogReader};
use quorate_core::testing::{self as workload, Workload};
use quorate_core::{Batch, Command as CoreCommand, FEATURE_LEVEL, FeatureLevel};
use tempfile::TempDir;

use crate::table::Nobody;
use crate::table::tests::harness::{Harness, entry, log_id};
use crate::table::tuning::Tuning;
use crate::{
    BackupCheck, BackupError, DataDir, Entry, JobTable, LogStore, NewCluster, Node, Reader, RestoreError,
    StoreError, Vote, format, restore,
};

const DATA_DIR: &str = "data-dir.tar.gz";
const BACKUP: &str = "jobs.backup";
const STATE_HASH: &str = "state-hash";

/// The first format that operators may rely on: what is written in it, and in those after it, this version and the next ones read.
const FROZEN: u32 = 8;

/// The last log entry of the data directory,
const LAST: u64 = 600;
/// and of those that its log does not have any more.
const PURGED: u64 = 580;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// Each format's number and folder.
fn formats() -> Vec<(u32, PathBuf)> {
    let folders = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path());
    let number = |path: &Path| path.file_name()?.to_str()?.strip_prefix("format-")?.parse().ok();
    let mut all: Vec<_> = folders.filter_map(|path| Some((number(&path)?, path))).collect();
    all.sort();
    all
}

fn tar(args: &[&str], dir: &Path) {
    let done = Command::new("tar").args(args).current_dir(dir).status().unwrap();
    assert!(done.success(), "tar {args:?}");
}

fn back_up(reader: &Reader) -> Vec<u8> {
    let mut backup = Vec::new();
    let took = |piece: bytes::Bytes| {
        backup.extend_from_slice(&piece);
        ControlFlow::Continue(())
    };
    reader.back_up("a cluster", &[], 1_700_000_000_000, took).unwrap();
    backup
}

fn state_hash(backup: &[u8]) -> String {
    let mut check = BackupCheck::default();
    check.push(backup).unwrap();
    check.end().unwrap().state_hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hash_of_table(dir: &DataDir) -> (String, JobTable) {
    let table = JobTable::open(dir, Arc::new(Nobody), FEATURE_LEVEL).unwrap();
    (state_hash(&back_up(&table.reader())), table)
}

fn new_cluster() -> NewCluster {
    let node = Node { name: "n1".into(), ..Node::default() };
    NewCluster { cluster_id: "another".into(), node, understood: FEATURE_LEVEL }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_since_the_formats_are_frozen_opens() {
    let frozen: Vec<_> = formats().into_iter().filter(|(number, _)| *number >= FROZEN).collect();
    let numbers: Vec<u32> = frozen.iter().map(|(number, _)| *number).collect();
    assert!(
        (FROZEN..=format::NUMBER).eq(numbers),
        "each format has fixtures: `cargo test --workspace --lib -- --ignored make_fixtures` makes them, once a format"
    );
    for (_, folder) in frozen {
        opens(&folder).await;
    }
}

async fn opens(folder: &Path) {
    let expected = fs::read_to_string(folder.join(STATE_HASH)).unwrap();
    let expected = expected.trim();
    let root = TempDir::new().unwrap();
    tar(&["-xzf", folder.join(DATA_DIR).to_str().unwrap()], root.path());
    let dir = DataDir::open(&root.path().join("data-dir")).unwrap();
    let log = LogStore::open(&dir, Arc::new(|error| panic!("{error}"))).unwrap();
    assert_eq!(dir.identity().cluster_id.as_deref(), Some("a cluster"));
    let mut reader = log.reader();
    assert_eq!(reader.read_vote().await.unwrap(), Some(Vote::new_committed(1, 1)));
    let entries = reader.try_get_log_entries(PURGED + 1..LAST + 1).await.unwrap();
    let batch = |entry: &Entry| match &entry.payload {
        EntryPayload::Normal(bytes) => quorate_proto::decode_batch(bytes.0.clone()).is_ok(),
        EntryPayload::Blank | EntryPayload::Membership(_) => false,
    };
    assert!(entries.len() == 20 && entries.iter().all(batch), "the log");
    drop(reader);
    log.close().unwrap();
    let (hash, mut table) = hash_of_table(&dir);
    assert_eq!(hash, expected, "the data directory");

    let snapshot = table.get_current_snapshot().await.unwrap().expect("it has a snapshot");
    let mut other = Harness::new(Tuning::default());
    other.table().install_snapshot(&snapshot.meta, snapshot.snapshot).await.unwrap();
    assert_eq!(state_hash(&back_up(&other.table().reader())), expected, "the snapshot");

    let to = root.path().join("restored");
    restore(&folder.join(BACKUP), &to, new_cluster(), |_, _| ()).unwrap();
    assert_eq!(hash_of_table(&DataDir::open(&to).unwrap()).0, expected, "the backup");
}

#[test]
fn what_was_written_before_that_is_refused_by_its_name() {
    for (number, folder) in formats().into_iter().filter(|(number, _)| *number < FROZEN) {
        let root = TempDir::new().unwrap();
        tar(&["-xzf", folder.join(DATA_DIR).to_str().unwrap()], root.path());
        let Err(refused) = DataDir::open(&root.path().join("data-dir")) else {
            panic!("format {number} opens")
        };
        let says = format!("format {number}");
        assert!(
            matches!(&refused, StoreError::ForeignFormat { found, .. } if found.contains(&says)),
            "{refused}"
        );
        let to = root.path().join("restored");
        let refused = restore(&folder.join(BACKUP), &to, new_cluster(), |_, _| ()).unwrap_err();
        let is_named = matches!(
            &refused,
            RestoreError::Backup(BackupError::OtherRows { found, .. }) if *found == number
        );
        assert!(is_named, "{refused}");
        assert!(!to.exists());
    }
}

/// Makes those of this format. Once a format: what is there stays as it was written.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "it makes files of the repository"]
async fn make_fixtures() {
    let folder = root().join(format!("format-{}", format::NUMBER));
    assert!(!folder.exists(), "{} is there", folder.display());
    let root = TempDir::new().unwrap();
    let path = root.path().join("data-dir");
    let mut harness = Harness::new(Tuning::default());
    harness.data_dir.adopt_cluster("a cluster", &[]).unwrap();
    let mut entries = Vec::new();
    for workload::Entry { index, batch, .. } in Workload::new(6).take(usize::try_from(LAST).unwrap()) {
        let batch = without_raise(batch);
        entries.push(entry(index, batch.clone()));
        harness.apply([(index, batch)]).await;
    }
    assert_eq!(harness.table().reader().level(), FeatureLevel::default());
    let backup = back_up(&harness.table().reader());
    harness.table().space().renew_snapshot().unwrap();
    harness.close();
    let mut log = LogStore::open(&harness.data_dir, Arc::new(|error| panic!("{error}"))).unwrap();
    log.save_vote(&Vote::new_committed(1, 1)).await.unwrap();
    log.purge(log_id(PURGED)).await.unwrap();
    log.blocking_append(entries.split_off(usize::try_from(PURGED).unwrap())).await.unwrap();
    log.close().unwrap();
    fs::create_dir_all(&folder).unwrap();
    fs::rename(harness.dir.path(), &path).unwrap();
    tar(&["--exclude=LOG*", "-czf", folder.join(DATA_DIR).to_str().unwrap(), "data-dir"], root.path());
    fs::write(folder.join(BACKUP), &backup).unwrap();
    fs::write(folder.join(STATE_HASH), format!("{}\n", state_hash(&backup))).unwrap();
}

/// No program would open what is of a higher level.
fn without_raise(mut batch: Batch) -> Batch {
    batch.envelopes.retain(|envelope| !matches!(envelope.command, CoreCommand::Raise { .. }));
    batch
}
