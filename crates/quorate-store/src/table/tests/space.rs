//! What removed jobs took comes back.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use bytes::Bytes;
use openraft::storage::{RaftSnapshotBuilder, RaftStateMachine};
use quorate_core::{Command, NewJob};

use super::harness::Harness;
use super::jobs::{batch, consume, enqueue, id, new_job, succeed};
use crate::table::tuning::Tuning;

const MIB: u64 = 1 << 20;

/// The bytes of all files below `dir`, each once however many names it has.
fn bytes(dir: &Path) -> u64 {
    fn add(dir: &Path, files: &mut HashMap<u64, u64>) {
        for entry in fs::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            let meta = entry.metadata().unwrap();
            if meta.is_dir() {
                add(&entry.path(), files);
            } else {
                files.insert(meta.ino(), meta.len());
            }
        }
    }
    let mut files = HashMap::new();
    add(dir, &mut files);
    files.into_values().sum()
}

/// A payload that does not compress.
fn large(n: u64) -> NewJob {
    let mut state = n + 1;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    });
    NewJob { payload: noise.take(MIB as usize).collect::<Bytes>(), ..new_job(n) }
}

#[tokio::test]
async fn removed_jobs_give_their_place_back_and_the_snapshot_does_not_keep_it() {
    let mut harness = Harness::new(Tuning::default());
    for n in 1..=30 {
        harness.apply([batch(n, [enqueue([large(n)])])]).await;
    }
    harness.table().get_snapshot_builder().await.build_snapshot().await.unwrap();
    assert!(bytes(harness.dir.path()) > 30 * MIB);
    let index = 31..=60;
    for (index, n) in index.zip(1..) {
        let delete = Command::Delete { id: id(n) };
        harness.apply([batch(index, [consume(1), succeed(n, ""), delete])]).await;
    }
    let dump = harness.dump();

    assert_eq!(harness.table().space().pinned().unwrap(), 0);
    harness.table().space().compact(|| MIB).unwrap();
    // The list of files and the write-ahead log begin at some hundred kilobytes.
    let left = bytes(harness.dir.path());
    assert!(left < 4 * MIB, "{left} bytes are left");
    assert_eq!(harness.dump(), dump);
    harness.reopen(Tuning::default());
    assert_eq!(harness.dump(), dump);
}
