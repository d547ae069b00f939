use std::fs;

use openraft::alias::SnapshotMetaOf;
use openraft::storage::{RaftSnapshotBuilder, RaftStateMachine};
use quorate_core::testing::Workload;

use super::harness::{Harness, Snapshot, assert_same, log_id, transfer};
use super::jobs::{batch, enqueue, new_job};
use crate::table::tuning::Tuning;
use crate::{StoreError, TypeConfig};

async fn with_jobs(count: u64) -> Harness {
    let mut harness = Harness::new(Tuning::default());
    for index in 1..=count {
        harness.apply([batch(index, [enqueue([new_job(index)])])]).await;
    }
    harness
}

fn names(dir: &std::path::Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

async fn build(harness: &mut Harness) -> Snapshot {
    harness.table().get_snapshot_builder().await.build_snapshot().await.unwrap()
}

#[tokio::test]
async fn a_snapshot_survives_a_restart_and_says_what_it_holds() {
    let mut harness = with_jobs(3).await;
    let built = build(&mut harness).await;
    assert_eq!(built.meta.last_log_id, Some(log_id(3)));
    harness.apply([batch(4, [enqueue([new_job(4)])])]).await;
    drop(built);
    harness.reopen(Tuning::default());
    let current = harness.table().get_current_snapshot().await.unwrap().unwrap();
    assert_eq!(current.meta.last_log_id, Some(log_id(3)));
    let mut other = Harness::new(Tuning::default());
    transfer(&current, &mut other).await.unwrap();
}

/// The meta is read from the checkpoint: entries that are applied between the builder's making and its work count.
#[tokio::test]
async fn the_meta_is_that_of_the_data() {
    let mut harness = with_jobs(2).await;
    let mut builder = harness.table().get_snapshot_builder().await;
    harness.apply([batch(3, [enqueue([new_job(3)])])]).await;
    let expected = harness.dump();
    let snapshot = builder.build_snapshot().await.unwrap();
    assert_eq!(snapshot.meta.last_log_id, Some(log_id(3)));
    let mut other = Harness::new(Tuning::default());
    other.table().install_snapshot(&snapshot.meta, snapshot.snapshot).await.unwrap();
    assert_same(&other.dump(), &expected, "installed");
}

/// Snapshots that are made while entries are applied hold what the model holds at the entry that they name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_made_beside_apply_is_of_one_moment() {
    let mut harness = Harness::new(Tuning::default());
    let mut workload = Workload::new(11);
    let mut dumps = vec![workload.model().dump()];
    for _ in 0..6 {
        let mut builder = harness.table().get_snapshot_builder().await;
        let building = tokio::spawn(async move { builder.build_snapshot().await.unwrap() });
        while !building.is_finished() {
            let applied = workload.next().unwrap();
            harness.apply([(applied.index, applied.batch)]).await;
            dumps.push(workload.model().dump());
        }
        let snapshot = building.await.unwrap();
        let index = snapshot.meta.last_log_id.map_or(0, |last| last.index);
        let mut other = Harness::new(Tuning::default());
        let received = transfer(&snapshot, &mut other).await.unwrap();
        other.table().install_snapshot(&snapshot.meta, received).await.unwrap();
        assert_same(&other.dump(), &dumps[usize::try_from(index).unwrap()], &format!("at entry {index}"));
    }
}

#[tokio::test]
async fn a_superseded_snapshot_stays_while_it_is_being_sent() {
    let mut harness = with_jobs(1).await;
    let first = build(&mut harness).await;
    harness.apply([batch(2, [enqueue([new_job(2)])])]).await;
    let second = build(&mut harness).await;
    assert_eq!(second.meta.last_log_id, Some(log_id(2)));
    assert_eq!(names(&harness.data_dir.snapshot()).len(), 2, "both are there");

    let mut other = Harness::new(Tuning::default());
    let received = transfer(&first, &mut other).await.unwrap();
    other.table().install_snapshot(&first.meta, received).await.unwrap();
    assert_eq!(other.table().reader().applied_index(), 1);

    drop(first);
    assert_eq!(names(&harness.data_dir.snapshot()).len(), 1, "the first one is gone");
}

/// A slow build that ends after an install must not put the older snapshot in the place of the newer one.
#[tokio::test]
async fn an_older_snapshot_never_takes_the_place_of_a_newer_one() {
    let mut ahead = with_jobs(5).await;
    let newer = build(&mut ahead).await;

    let mut harness = with_jobs(2).await;
    let mut slow = harness.table().get_snapshot_builder().await;
    let received = transfer(&newer, &mut harness).await.unwrap();
    harness.table().install_snapshot(&newer.meta, received).await.unwrap();
    let built = slow.build_snapshot().await.unwrap();
    assert_eq!(built.meta.last_log_id, Some(log_id(5)));
    drop((built, slow));
    let current = harness.table().get_current_snapshot().await.unwrap().unwrap();
    assert_eq!(current.meta.last_log_id, Some(log_id(5)));
    assert_eq!(names(&harness.data_dir.snapshot()).len(), 1, "nothing is left of the older one");
}

#[tokio::test]
async fn an_installed_snapshot_replaces_the_table_for_readers_and_for_good() {
    let mut ahead = with_jobs(5).await;
    let newer = build(&mut ahead).await;
    let mut harness = with_jobs(2).await;
    let reader = harness.table().reader();
    let received = transfer(&newer, &mut harness).await.unwrap();
    harness.table().install_snapshot(&newer.meta, received).await.unwrap();

    assert_eq!(*harness.observer.installed.lock(), 1);
    assert_eq!(reader.applied_index(), 5);
    assert!(reader.job(super::jobs::id(5)).await.unwrap().is_some());
    assert_eq!(names(&harness.data_dir.jobs()), ["CURRENT", "gen-2"], "the old generation is gone");
    assert_same(&harness.dump(), &ahead.dump(), "installed");
    drop(reader); // it keeps the table open
    harness.reopen(Tuning::default());
    assert_same(&harness.dump(), &ahead.dump(), "opened again");
    assert_eq!(
        harness.table().get_current_snapshot().await.unwrap().unwrap().meta,
        newer.meta,
        "what was installed is this node's snapshot too"
    );
}

#[tokio::test]
async fn a_snapshot_that_is_announced_as_another_one_changes_nothing() {
    let mut ahead = with_jobs(5).await;
    let newer = build(&mut ahead).await;
    let mut harness = with_jobs(2).await;
    let before = harness.dump();
    let received = transfer(&newer, &mut harness).await.unwrap();
    let announced = SnapshotMetaOf::<TypeConfig> { last_log_id: Some(log_id(6)), ..newer.meta.clone() };
    let mislabelled = Snapshot { meta: announced.clone(), ..newer };
    let refused = transfer(&mislabelled, &mut harness).await;
    assert!(matches!(refused, Err(StoreError::BadSnapshot { .. })), "{refused:?}");
    harness.table().install_snapshot(&announced, received).await.unwrap_err();
    assert_same(&harness.dump(), &before, "not installed");
    assert_eq!(names(&harness.data_dir.jobs()), ["CURRENT", "gen-1"]);
    assert_eq!(names(&harness.data_dir.snapshot()), [""; 0]);
}

/// What a crash leaves at each step of an install: the start goes on from the old table or the new one, whole, and
/// removes the rest.
#[tokio::test]
async fn a_crash_during_an_install_leaves_the_old_table_or_the_new_one() {
    let mut ahead = with_jobs(5).await;
    let newer = build(&mut ahead).await;
    let mut harness = with_jobs(2).await;
    let old = harness.dump();
    harness.close();
    let (jobs, snapshot) = (harness.data_dir.jobs(), harness.data_dir.snapshot());

    // Received in part; the next generation copied in part.
    fs::create_dir(snapshot.join("tmp-7")).unwrap();
    fs::write(snapshot.join("tmp-7").join("000009.sst"), "part").unwrap();
    fs::create_dir(jobs.join("gen-2")).unwrap();
    fs::write(jobs.join("gen-2").join("CURRENT"), "part").unwrap();
    harness.reopen(Tuning::default());
    assert_same(&harness.dump(), &old, "before the new generation");
    assert_eq!(names(&jobs), ["CURRENT", "gen-1"]);
    assert_eq!(names(&snapshot), [""; 0]);

    // The generation complete, the snapshot published, CURRENT not yet switched: openraft installs it again.
    harness.close();
    crate::files::checkpoint::copy_files(newer.snapshot.path(), &jobs.join("gen-2")).unwrap();
    let published = snapshot.join("snapshot-00000000000000000005-0000000007");
    crate::files::checkpoint::copy_files(newer.snapshot.path(), &published).unwrap();
    harness.reopen(Tuning::default());
    assert_same(&harness.dump(), &old, "before the switch");
    let current = harness.table().get_current_snapshot().await.unwrap().unwrap();
    assert_eq!(current.meta, newer.meta);
    harness.table().install_snapshot(&current.meta, current.snapshot).await.unwrap();
    assert_same(&harness.dump(), &ahead.dump(), "installed at the start");

    // Switched, the old generation and an old snapshot not yet removed.
    harness.close();
    crate::files::checkpoint::copy_files(newer.snapshot.path(), &jobs.join("gen-1")).unwrap();
    let older = snapshot.join("snapshot-00000000000000000003-0000000001");
    crate::files::checkpoint::copy_files(newer.snapshot.path(), &older).unwrap();
    harness.reopen(Tuning::default());
    assert_same(&harness.dump(), &ahead.dump(), "after the switch");
    assert_eq!(names(&jobs), ["CURRENT", "gen-2"]);
    assert_eq!(names(&snapshot).len(), 1);
}

#[tokio::test]
async fn a_first_start_that_was_interrupted_is_begun_again() {
    let mut harness = Harness::new(Tuning::default());
    harness.close();
    fs::remove_file(harness.data_dir.jobs().join("CURRENT")).unwrap();
    harness.reopen(Tuning::default());
    assert_eq!(harness.table().reader().applied_index(), 0);
}

#[tokio::test]
async fn what_a_peer_sends_is_checked_frame_by_frame() {
    let mut harness = Harness::new(Tuning::default());
    let store = harness.table().snapshots();
    let refused = |result: Result<(), StoreError>| matches!(result, Err(StoreError::BadSnapshot { .. }));

    let mut receiver = store.receive().await.unwrap();
    for name in ["../CURRENT", "/etc/passwd", "", "LOCK", "a/b.sst"] {
        assert!(refused(receiver.begin_file(name, 1).await), "{name}");
    }
    assert!(refused(receiver.chunk(b"x").await), "a chunk without a file");
    receiver.begin_file("000001.sst", 3).await.unwrap();
    assert!(refused(receiver.begin_file("000002.sst", 3).await), "a file within a file");
    assert!(refused(receiver.chunk(b"four").await), "longer than announced");
    receiver.chunk(b"th").await.unwrap();
    assert!(refused(receiver.end_file(crc32c::crc32c(b"th")).await), "shorter than announced");
    drop(receiver);

    let mut receiver = store.receive().await.unwrap();
    receiver.begin_file("000001.sst", 3).await.unwrap();
    receiver.chunk(b"the").await.unwrap();
    assert!(refused(receiver.end_file(crc32c::crc32c(b"thx")).await), "another content");
    drop(receiver);

    let mut receiver = store.receive().await.unwrap();
    receiver.begin_file("000001.sst", 3).await.unwrap();
    assert!(receiver.finish(&SnapshotMetaOf::<TypeConfig>::default()).await.is_err(), "an open file");
    assert_eq!(names(&harness.data_dir.snapshot()), [""; 0], "nothing is left of what was refused");
}
