use std::fs;
use std::path::{Path, PathBuf};

use openraft::entry::RaftEntry;
use openraft::storage::RaftStateMachine;
use quorate_core::model::Model;
use quorate_core::testing::Workload;
use quorate_core::{Dump, apply};

use super::harness::{Harness, assert_same, entry, log_id};
use super::jobs::{self, batch, consume, enqueue, new_job, succeed};
use crate::rows::keys;
use crate::table::tuning::Tuning;
use crate::{BatchBytes, Entry, StoreError};

/// A closed table with some history, and the dumps after each of its entries.
async fn history(seed: u64) -> (Harness, Vec<Dump>) {
    let mut harness = Harness::new(Tuning::default());
    let mut model = Model::new();
    let mut dumps = vec![model.dump()];
    for applied in Workload::new(seed).take(60) {
        harness.apply([(applied.index, applied.batch.clone())]).await;
        apply(&mut model, applied.index, &applied.batch).unwrap();
        dumps.push(model.dump());
    }
    harness.close();
    (harness, dumps)
}

fn flip(path: &Path, place: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[place] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

fn files(dir: &Path, fits: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let paths = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| fits(path.file_name().unwrap().to_str().unwrap())).collect()
}

#[track_caller]
fn assert_damaged(harness: &Harness, part: &str) {
    match harness.try_open(Tuning::default()).map(drop) {
        Err(StoreError::Damaged { what, .. }) => assert_eq!(what, part),
        other => panic!("not refused as damage: {other:?}"),
    }
}

#[tokio::test]
async fn a_flipped_bit_in_current_is_refused() {
    let (harness, _) = history(1).await;
    let current = harness.data_dir.jobs().join("CURRENT");
    for place in 0..fs::read(&current).unwrap().len() {
        flip(&current, place);
        assert_damaged(&harness, "jobs/CURRENT");
        flip(&current, place);
    }
    harness.try_open(Tuning::default()).unwrap();
}

#[tokio::test]
async fn a_lost_current_is_refused_and_the_table_kept() {
    let (harness, _) = history(2).await;
    fs::rename(harness.data_dir.jobs().join("CURRENT"), harness.dir.path().join("kept")).unwrap();
    assert_damaged(&harness, "jobs/CURRENT");
    fs::rename(harness.dir.path().join("kept"), harness.data_dir.jobs().join("CURRENT")).unwrap();
    harness.try_open(Tuning::default()).unwrap();
}

#[tokio::test]
async fn a_lost_generation_is_refused() {
    let (harness, _) = history(3).await;
    fs::remove_dir_all(harness.data_dir.jobs().join("gen-1")).unwrap();
    assert_damaged(&harness, "the job table");
}

#[tokio::test]
async fn a_flipped_bit_in_the_manifest_is_refused() {
    let (mut harness, _) = history(4).await;
    harness.reopen(Tuning::default());
    harness.close();
    let manifest = files(&harness.data_dir.jobs().join("gen-1"), |name| name.starts_with("MANIFEST"));
    flip(&manifest[0], 100);
    assert_damaged(&harness, "the job table");
}

/// RocksDB checks a block where it reads it: a table with a flipped bit in a file is refused, at the open or at the
/// read, and never gives anything else than what was written.
#[tokio::test]
async fn a_flipped_bit_in_a_file_is_never_read_as_data() {
    let (mut harness, dumps) = history(5).await;
    harness.reopen(Tuning::default()); // what was in the WAL is in files now
    harness.close();
    let dir = harness.data_dir.jobs().join("gen-1");
    // An open database merges files, and removes them.
    let kept: Vec<(PathBuf, Vec<u8>)> =
        files(&dir, |_| true).into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    let tables: Vec<_> =
        kept.iter().filter(|(path, _)| path.extension().is_some_and(|it| it == "sst")).collect();
    assert!(!tables.is_empty());
    let mut refused = 0;
    for (path, bytes) in &tables {
        for place in (0..bytes.len()).step_by(bytes.len() / 7 + 1) {
            fs::remove_dir_all(&dir).unwrap();
            fs::create_dir(&dir).unwrap();
            kept.iter().for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
            flip(path, place);
            match harness.try_open(Tuning::default()).and_then(|mut table| table.applier().dump()) {
                Ok(dump) => assert_same(&dump, dumps.last().unwrap(), "a bit that is not read"),
                Err(StoreError::Damaged { what: "the job table", .. }) => refused += 1,
                Err(other) => panic!("not refused as damage: {other}"),
            }
        }
    }
    assert!(refused > tables.len(), "only {refused} refused");
}

/// The WAL is not synced: what a power cut leaves of it may be any beginning, with anything behind. The table goes on
/// from the last write before the damage, whole, and says which: the Raft log has the rest.
#[tokio::test]
async fn a_damaged_wal_gives_an_earlier_state_and_not_another_one() {
    let (harness, dumps) = history(6).await;
    let wal = files(&harness.data_dir.jobs().join("gen-1"), |name| name.ends_with(".log")).pop().unwrap();
    let sound = fs::read(&wal).unwrap();
    for cut in (0..sound.len()).step_by(sound.len() / 12 + 1) {
        let copy = tempfile::TempDir::new().unwrap();
        copy_all(harness.dir.path(), copy.path());
        let copied = copy.path().join(wal.strip_prefix(harness.dir.path()).unwrap());
        let mut damaged = sound.clone();
        damaged[cut] ^= 0x10;
        if cut % 2 == 0 {
            damaged[cut..].fill(0);
        }
        fs::write(&copied, damaged).unwrap();

        let mut other = Harness::at(copy, Tuning::default());
        let applied = usize::try_from(other.table().reader().applied_index()).unwrap();
        assert!(applied < dumps.len() - 1, "the damage at {cut} was not noticed");
        assert_same(&other.dump(), &dumps[applied], &format!("damage at {cut}"));
    }
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_all(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// What is no batch, and a rule of the core that does not hold, end the replica: an error, no answer, no hang.
#[tokio::test]
async fn an_entry_that_cannot_be_applied_is_an_error_and_changes_nothing() {
    let mut harness = Harness::new(Tuning::default());
    harness.apply([batch(1, [enqueue([new_job(1)])])]).await;
    let before = harness.dump();
    let no_batch = Entry::new_normal(log_id(2), BatchBytes("no batch".into()));
    let error = harness.table().apply(futures::stream::iter([Ok((no_batch, None))])).await.unwrap_err();
    assert!(error.to_string().contains("entry 2"), "{error}");
    assert_same(&harness.dump(), &before, "nothing of it");

    // As if an index had lost a running job.
    harness.apply([batch(2, [consume(1)])]).await;
    let applier = harness.table().applier();
    applier.timers.remove(&keys::timer(jobs::NOW.plus_seconds(60), jobs::id(1)));
    let (index, batch) = batch(3, [succeed(1, "")]);
    let error =
        harness.table().apply(futures::stream::iter([Ok((entry(index, batch), None))])).await.unwrap_err();
    assert!(error.to_string().contains("the job table is damaged"), "{error}");
    assert_eq!(harness.table().reader().applied_index(), 2);
}
