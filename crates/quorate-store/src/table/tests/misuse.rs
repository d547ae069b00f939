//! What the core must not do to a table is noticed by both of them: the oracle, and the disk.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use openraft::storage::{RaftSnapshotBuilder, RaftStateMachine};
use quorate_core::{
    AnswerRecord, FeatureLevel, Image, Job, KeyRecord, Position, Remembered, State, Table, Timestamp, apply,
    model::Model,
};

use super::harness::{Harness, entry, transfer};
use super::jobs::{NOW, batch, enqueue, id, new_job, request};
use crate::table::applier::Applier;
use crate::table::tuning::Tuning;

/// Does what is wrong to a table that has job 1, its payload and image, and says what must be said about it.
type Misuse<T> = (&'static str, fn(&mut T));

fn misuses<T: Table<Error: std::fmt::Debug>>() -> Vec<Misuse<T>> {
    vec![
        ("log time goes back", |table| table.set_clock(NOW.checked_minus_millis(1).unwrap())),
        ("the feature level goes back", |table| table.put_level(FeatureLevel(0))),
        ("a write starts from the present record", |table| {
            let job = job_1(table);
            let stale = Job { timeout: job.timeout + 1, ..job.clone() };
            table.put_job(Some(&stale), &job).unwrap();
        }),
        ("a write starts from the present record", |table| {
            let job = job_1(table);
            table.put_job(None, &job).unwrap();
        }),
        ("a removal starts from the present record", |table| {
            let stale = Job { state: State::Success, completed_at: Some(NOW), ..job_1(table) };
            table.delete_job(&stale).unwrap();
        }),
        ("was never given", |table| {
            let job = Job { id: id(2), number: 99, ..job_1(table) };
            table.put_job(None, &job).unwrap();
        }),
        ("has a payload", |table| table.put_payload(id(1), Bytes::from_static(b"another")).unwrap()),
        ("a write starts from the present record", |table| {
            let image = image(table);
            table.put_image(None, &image).unwrap();
        }),
        ("a removal starts from the present record", |table| {
            let stale = Image { named_at: Timestamp::ZERO, ..image(table) };
            table.delete_image(&stale).unwrap();
        }),
        ("a new key", |table| {
            table.put_key(&key(NOW)).unwrap();
            table.put_key(&key(NOW)).unwrap();
        }),
        ("a removal starts from the present record", |table| {
            table.put_key(&key(NOW)).unwrap();
            table.delete_key(&key(Timestamp::ZERO)).unwrap();
        }),
        ("was answered before", |table| {
            let position = Position { index: 1, offset: 0 };
            let answer = Remembered::Done;
            table.remember(request(1, 0), AnswerRecord { deadline: NOW, position, replayed: false, answer });
        }),
    ]
}

fn job_1<T: Table<Error: std::fmt::Debug>>(table: &mut T) -> Job {
    table.job(id(1)).unwrap().unwrap()
}

fn image<T: Table<Error: std::fmt::Debug>>(table: &mut T) -> Image {
    table.image(new_job(1).image_id).unwrap().unwrap()
}

fn key(at: Timestamp) -> KeyRecord {
    KeyRecord { key: "key".into(), body_hash: [1; 32], at, answer: Remembered::Done }
}

#[track_caller]
fn assert_noticed(what: &str, misuse: impl FnOnce()) {
    let panic = catch_unwind(AssertUnwindSafe(misuse)).expect_err(what);
    let said = panic.downcast_ref::<String>().map(String::as_str);
    let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or_default();
    assert!(said.contains(what), "not {what}: {said}");
}

#[test]
fn misuse_is_noticed_by_the_model_and_by_the_table() {
    for (what, misuse) in misuses::<Model>() {
        let (index, batch) = batch(1, [enqueue([new_job(1)])]);
        let mut model = Model::new();
        apply(&mut model, index, &batch).unwrap();
        assert_noticed(what, || misuse(&mut model));
    }
    for (what, misuse) in misuses::<Applier>() {
        let (index, batch) = batch(1, [enqueue([new_job(1)])]);
        let mut harness = Harness::new(Tuning::default());
        let applier = harness.table().applier();
        applier.apply(&entry(index, batch)).unwrap();
        assert_noticed(what, || misuse(applier));
    }
}

#[tokio::test]
async fn neither_an_entry_nor_a_snapshot_takes_the_table_back() {
    let mut harness = Harness::new(Tuning::default());
    harness.apply([batch(1, [enqueue([new_job(1)])])]).await;
    let snapshot = harness.table().get_snapshot_builder().await.build_snapshot().await.unwrap();
    harness.apply([batch(2, [enqueue([new_job(2)])])]).await;

    let (index, again) = batch(2, []);
    assert_noticed("an entry is applied once, in order", || {
        drop(harness.table().applier().apply(&entry(index, again)));
    });
    let received = transfer(&snapshot, &mut harness).await.unwrap();
    let refused = harness.table().install_snapshot(&snapshot.meta, received).await.unwrap_err();
    assert!(refused.to_string().contains("a rule that always holds does not"), "{refused}");
    assert_eq!(harness.table().reader().applied_index(), 2);
}
