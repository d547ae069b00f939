//! What a newer version of the program has written: it is refused by name, and left as it is.

use openraft::entry::RaftEntry;
use openraft::storage::{RaftSnapshotBuilder, RaftStateMachine};
use prost::Message;
use quorate_core::{Command, FeatureLevel};
use quorate_proto::log::v1;
use rocksdb::WriteBatch;

use super::harness::{Harness, assert_same, entry, log_id, transfer};
use super::jobs::{batch, consume, enqueue, id, new_job};
use crate::rows::db::Family;
use crate::rows::keys;
use crate::rows::place::Place;
use crate::table::tuning::Tuning;
use crate::{BatchBytes, Entry};

fn raise(level: u32) -> Command {
    Command::Raise { level: FeatureLevel(level) }
}

#[track_caller]
fn assert_newer<T>(result: Result<T, impl std::fmt::Display>, says: &str) {
    let said = result.map(drop).map_err(|error| error.to_string()).unwrap_err();
    assert!(said.contains("is from a newer version of Quorate"), "{said}");
    assert!(said.contains("start this node with that version, or a newer one"), "{said}");
    assert!(said.contains(says), "{said}");
}

#[tokio::test]
async fn the_level_is_part_of_the_table_and_of_its_snapshots() {
    let mut harness = Harness::new(Tuning::default());
    assert_eq!(harness.table().reader().level(), FeatureLevel::default());
    harness.apply([batch(1, [raise(3)])]).await;
    harness.reopen(Tuning::default());
    assert_eq!(harness.table().reader().level(), FeatureLevel(3));
    let mut other = Harness::new(Tuning::default());
    harness.send_snapshot(&mut other).await;
    assert_eq!(other.table().reader().level(), FeatureLevel(3));
}

#[tokio::test]
async fn a_table_and_a_snapshot_of_a_higher_level_are_refused() {
    let mut harness = Harness::new(Tuning::default());
    harness.apply([batch(1, [raise(3)])]).await;
    let snapshot = harness.table().get_snapshot_builder().await.build_snapshot().await.unwrap();
    let mut older = Harness::new(Tuning::default());
    older.understood = FeatureLevel(2);
    older.reopen(Tuning::default());
    assert_newer(transfer(&snapshot, &mut older).await, "level is 3, and this version understands 2");
    assert_eq!(older.table().reader().applied_index(), 0);

    drop(snapshot);
    harness.close();
    harness.understood = FeatureLevel(2);
    assert_newer(harness.try_open(Tuning::default()), "level is 3, and this version understands 2");
    harness.understood = FeatureLevel(3);
    harness.reopen(Tuning::default());
}

#[tokio::test]
async fn an_entry_that_raises_the_level_too_far_stops_the_replica_before_it() {
    let mut harness = Harness::new(Tuning::default());
    harness.understood = FeatureLevel(2);
    harness.reopen(Tuning::default());
    harness.apply([batch(1, [raise(2)])]).await;
    let before = harness.dump();
    let (index, raised) = batch(2, [raise(3), enqueue([new_job(1)])]);
    let entries = || futures::stream::iter([Ok((entry(index, raised.clone()), None))]);
    let stopped = harness.table().apply(entries()).await;
    assert_newer(stopped, "level is 3, and this version understands 2");
    assert_same(&harness.dump(), &before, "nothing of it");
    harness.understood = FeatureLevel(3);
    harness.reopen(Tuning::default());
    harness.table().apply(entries()).await.unwrap();
    assert_eq!(harness.table().reader().level(), FeatureLevel(3));
}

/// A field that this version does not know, as the last one of a message.
fn with_unknown_field(mut message: Vec<u8>) -> Vec<u8> {
    message.extend([0xf8, 0x3f, 1]); // number 1023, a 1
    message
}

#[tokio::test]
async fn an_entry_with_an_unknown_part_stops_the_replica_before_it() {
    let (_, known) = batch(1, [enqueue([new_job(1)])]);
    let envelope = v1::Envelope::from(known.envelopes[0].clone()).encode_to_vec();
    for envelope in [with_unknown_field(envelope), with_unknown_field(vec![])] {
        let mut harness = Harness::new(Tuning::default());
        let unknown = v1::PackedBatch { stamp_ms: 1, envelopes: vec![envelope.into()] };
        let unknown = Entry::new_normal(log_id(1), BatchBytes(unknown.encode_to_vec().into()));
        let stopped = harness.table().apply(futures::stream::iter([Ok((unknown, None))])).await;
        assert_newer(stopped, "entry 1: a Batch with a part that this version does not know");
        assert_eq!(harness.table().reader().applied_index(), 0);
    }
}

#[tokio::test]
async fn a_record_with_an_unknown_part_is_refused() {
    let mut harness = Harness::new(Tuning::default());
    // The first one runs, and its record stands under its id; the second one's stands in its lane.
    harness.apply([batch(1, [enqueue([new_job(1), new_job(2)]), consume(1)])]).await;
    let reader = harness.table().reader();
    let db = &harness.table().applier().generation.db;
    let lane = Place::of(&reader.job(id(2)).await.unwrap().unwrap()).unwrap();
    let put_unknown = |family, key: &[u8]| {
        let value = with_unknown_field(db.get(family, key).unwrap().unwrap().to_vec());
        let mut rows = WriteBatch::default();
        db.put(&mut rows, family, key, &value);
        db.write(rows).unwrap();
    };
    put_unknown(Family::Default, &keys::job(id(1)));
    put_unknown(lane.family(), &lane.key());
    put_unknown(Family::Default, &keys::meta());
    assert_newer(reader.job(id(1)).await, "a Job with a part");
    assert_newer(reader.job(id(2)).await, "a Job with a part");
    assert_newer(crate::rows::meta::Meta::read(db), "a TableMeta with a part");
}
