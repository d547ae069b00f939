use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use quorate_core::{
    Batch, Command, Filter, ImageId, Job, JobId, JobsPage, JobsQuery, NewJob, Position, Reason, Refusal,
    Reply, Status,
};
use rocksdb::WriteBatch;

use super::harness::Harness;
use super::jobs::{NOW, batch, consume, enqueue, id, new_job, request, succeed};
use crate::reader::list::{Bounds, page};
use crate::rows::place::Place;
use crate::table::tuning::Tuning;
use crate::{Reader, StoreError};

const OTHER: ImageId = ImageId([2; 16]);

/// Ten jobs: 0 to 3 finished (3 cancelled), 4 and 5 running, 6 to 9 queued; 0, 4 and 8 of another image.
async fn ten() -> (Harness, Reader) {
    let mut harness = Harness::new(Tuning::default());
    let jobs = (0..10).map(|n| {
        let mut job = new_job(n);
        if n % 4 == 0 {
            (job.image, job.image_id) = ("other".into(), ImageId([2; 16]));
        }
        job
    });
    harness.apply([batch(1, [enqueue(jobs), consume(6)])]).await;
    let cancel = Command::Cancel { id: id(3), details: "".into() };
    harness.apply([batch(2, [succeed(0, "log 0"), succeed(1, ""), succeed(2, "log 2"), cancel])]).await;
    let reader = harness.table().reader();
    (harness, reader)
}

fn ids(jobs: &[Job]) -> Vec<JobId> {
    jobs.iter().map(|job| job.id).collect()
}

fn in_status(status: Status) -> Filter {
    Filter { statuses: vec![status], ..Filter::default() }
}

fn active() -> Filter {
    Filter { statuses: Status::ACTIVE.to_vec(), ..Filter::default() }
}

fn of_image(image: ImageId) -> Filter {
    Filter { image: Some(image), ..active() }
}

/// All pages of a query.
async fn list(reader: &Reader, mut query: JobsQuery) -> Vec<JobId> {
    let mut found = Vec::new();
    loop {
        let page = reader.jobs(query.clone()).await.unwrap();
        assert!(page.jobs.len() <= query.n);
        found.extend(ids(&page.jobs));
        if page.next.is_none() {
            return found;
        }
        query.behind = page.next;
    }
}

#[tokio::test]
async fn lists_are_newest_first_filtered_and_paged() {
    let (_harness, reader) = ten().await;
    let all = |n| JobsQuery { n, filter: active(), ..JobsQuery::default() };
    for n in [1, 2, 3, 6, 7, 1_000] {
        assert_eq!(list(&reader, all(n)).await, [9, 8, 7, 6, 5, 4].map(id), "active, {n} a page");
        let running = JobsQuery { filter: in_status(Status::Running), ..all(n) };
        assert_eq!(list(&reader, running).await, [5, 4].map(id), "running, {n} a page");
        let success = JobsQuery { filter: in_status(Status::Success), ..all(n) };
        assert_eq!(list(&reader, success).await, [2, 1, 0].map(id), "success, {n} a page");
        let cancelled = JobsQuery { filter: in_status(Status::Cancelled), ..all(n) };
        assert_eq!(list(&reader, cancelled).await, [3].map(id), "cancelled, {n} a page");
        let other = JobsQuery { filter: of_image(OTHER), ..all(n) };
        assert_eq!(list(&reader, other).await, [8, 4].map(id), "of an image, {n} a page");
    }
    let page = reader.jobs(JobsQuery { behind: Some(6), ..all(1) }).await.unwrap();
    assert_eq!((ids(&page.jobs), page.next), (vec![id(5)], Some(5)));
    let last = reader.jobs(JobsQuery { behind: Some(5), ..all(1) }).await.unwrap();
    assert_eq!((ids(&last.jobs), last.next), (vec![id(4)], None), "no page more than there must be");
    assert_eq!(reader.jobs(JobsQuery { behind: Some(0), ..all(1) }).await.unwrap(), JobsPage::default());
}

/// Ids are drawn by nodes whose clocks differ; a job that was delayed is as old as it is.
#[tokio::test]
async fn newest_is_what_came_last_into_the_log() {
    let mut harness = Harness::new(Tuning::default());
    let delayed = NewJob { delay: 5, ..new_job(6) };
    harness.apply([batch(1, [enqueue([new_job(9), delayed]), enqueue([new_job(3)])])]).await;
    harness.apply([batch(2, [enqueue([new_job(8)]), consume(1)])]).await;
    let reader = harness.table().reader();
    let all = JobsQuery { n: 2, filter: active(), ..JobsQuery::default() };
    assert_eq!(list(&reader, all.clone()).await, [8, 3, 6, 9].map(id));
    harness.apply([(3, Batch { stamp: NOW.plus_seconds(6), envelopes: vec![] })]).await;
    let queued = JobsQuery { filter: in_status(Status::Queued), ..all.clone() };
    assert_eq!(list(&reader, queued).await, [8, 3, 6].map(id), "released, and still the oldest of them");
    drop(reader);
    harness.reopen(Tuning::default());
    assert_eq!(list(&harness.table().reader(), all).await, [8, 3, 6, 9].map(id));
}

/// However many others there are, a page looks at no more rows than it has jobs.
#[tokio::test]
async fn few_jobs_are_found_at_once_among_many() {
    let mut harness = Harness::new(Tuning::default());
    let job = |n: u64, image| NewJob { image_id: image, ..new_job(n) };
    let few = (0..4).map(|n| job(n, if n % 2 == 0 { OTHER } else { ImageId([1; 16]) }));
    harness.apply([batch(1, [enqueue(few), consume(4)])]).await;
    harness.apply([batch(2, [enqueue((4..504).map(|n| job(n, ImageId([1; 16]))))])]).await;
    let fail = |n| Command::Fail {
        id: id(n),
        reason: Reason::BadExit,
        details: "".into(),
        log: "".into(),
        for_good: false,
    };
    harness.apply([batch(3, [consume(100)].into_iter().chain((4..104).map(fail)))]).await;
    harness.apply([batch(4, [fail(0)])]).await;
    let mut look = |status, image, rows| {
        let query =
            JobsQuery { n: 10, filter: Filter { image, ..in_status(status) }, ..JobsQuery::default() };
        let db = &harness.table().applier().generation.db;
        let page = page(db, &query, Bounds { rows, records: rows }).unwrap();
        assert_eq!(page.next, None, "{query:?}");
        ids(&page.jobs)
    };
    assert_eq!(look(Status::Running, None, 3), [3, 2, 1].map(id));
    assert_eq!(look(Status::Running, Some(OTHER), 3), [2].map(id));
    assert_eq!(look(Status::Error, Some(OTHER), 1), [0].map(id), "behind a hundred of another image");
    assert_eq!(look(Status::Success, None, 0), []);
}

#[tokio::test]
async fn a_page_looks_at_a_bounded_number_of_jobs() {
    let (mut harness, _) = ten().await;
    let query = JobsQuery { n: 5, filter: of_image(OTHER), ..JobsQuery::default() };
    let look = |query: &JobsQuery, harness: &mut Harness, rows| {
        page(&harness.table().applier().generation.db, query, Bounds { rows, records: rows }).unwrap()
    };
    let first = look(&query, &mut harness, 2);
    assert_eq!((ids(&first.jobs), first.next), (vec![id(8)], Some(5)), "8 and 5");
    let second = look(&JobsQuery { behind: first.next, ..query.clone() }, &mut harness, 2);
    assert_eq!((ids(&second.jobs), second.next), (vec![id(4)], None), "4");
    let none = look(&JobsQuery { behind: Some(8), n: 1, ..query }, &mut harness, 1);
    assert_eq!((none.jobs, none.next), (vec![], Some(5)), "a page that is empty, but not the last");
}

#[tokio::test]
async fn records_payloads_and_logs_are_found_in_memory_and_on_the_disk() {
    let (mut harness, _) = ten().await;
    harness.reopen(Tuning::default()); // now they are in files that no cache holds
    let reader = harness.table().reader();
    for round in ["from the disk", "from memory"] {
        assert_eq!(reader.job(id(10)).await.unwrap(), None, "{round}");
        let mut jobs = Vec::new();
        for n in 0..10 {
            let job = reader.job(id(n)).await.unwrap().expect("a job");
            assert_eq!(job.id, id(n), "{round}");
            jobs.push(job);
        }
        let payloads = reader.payloads(&jobs).await.unwrap();
        for (n, payload) in payloads.into_iter().enumerate() {
            assert_eq!(payload, Some(Bytes::from(format!("payload {n}"))), "{round}");
        }
        assert_eq!(reader.log(id(0)).await.unwrap(), Some("log 0".into()), "{round}");
        assert_eq!(reader.log(id(1)).await.unwrap(), Some(Bytes::new()), "empty, {round}");
        assert_eq!(reader.log(id(3)).await.unwrap(), Some(Bytes::new()), "cancelled, {round}");
        assert_eq!(reader.log(id(4)).await.unwrap(), None, "running, {round}");
        assert_eq!(reader.log(id(10)).await.unwrap(), None, "no such job, {round}");
    }
}

#[tokio::test]
async fn the_payload_of_a_deleted_job_is_gone_and_that_of_an_empty_one_is_empty() {
    let (mut harness, reader) = ten().await;
    let mut empty = new_job(20);
    empty.payload = Bytes::new();
    let gone = reader.job(id(2)).await.unwrap().unwrap();
    harness.apply([batch(3, [Command::Delete { id: id(2) }, enqueue([empty])])]).await;
    let empty = reader.job(id(20)).await.unwrap().unwrap();
    assert_eq!(reader.payloads(&[gone, empty]).await.unwrap(), [None, Some(Bytes::new())]);
    assert_eq!(reader.log(id(2)).await.unwrap(), None);
}

#[tokio::test]
async fn ids_are_found_in_a_range_whatever_the_jobs_status() {
    let (mut harness, reader) = ten().await;
    let all: Vec<JobId> = (0..10).map(id).collect();
    let (lowest, highest) = (JobId([0; 16]), JobId([0xff; 16]));
    assert_eq!(reader.ids(lowest, highest, 100).await.unwrap(), all);
    assert_eq!(reader.ids(lowest, highest, 3).await.unwrap(), all[..3]);
    assert_eq!(reader.ids(id(3), id(5), 100).await.unwrap(), all[3..=5]);
    assert_eq!(reader.ids(id(10), highest, 100).await.unwrap(), []);
    harness.apply([batch(3, [Command::Delete { id: id(2) }])]).await;
    assert_eq!(reader.ids(id(1), id(3), 100).await.unwrap(), [id(1), id(3)]);
}

#[tokio::test]
async fn images_are_listed_by_id_from_behind_the_last_one() {
    let (_harness, reader) = ten().await;
    let (one, two) = (ImageId([1; 16]), ImageId([2; 16]));
    let ids = |images: Vec<quorate_core::Image>| images.into_iter().map(|image| image.id).collect::<Vec<_>>();
    assert_eq!(ids(reader.images(10, None).await.unwrap()), [one, two]);
    assert_eq!(ids(reader.images(1, None).await.unwrap()), [one]);
    assert_eq!(ids(reader.images(1, Some(one)).await.unwrap()), [two]);
    assert_eq!(ids(reader.images(1, Some(two)).await.unwrap()), []);
    assert_eq!(&*reader.image(two).await.unwrap().unwrap().name, "other");
    assert_eq!(reader.image(ImageId([3; 16])).await.unwrap(), None);
}

/// What is kept of images in memory goes with them.
#[tokio::test]
async fn an_image_that_went_and_comes_back_is_a_new_one() {
    let (mut harness, reader) = ten().await;
    let much_later = NOW.plus_seconds(30 * 24 * 3_600);
    harness.apply([(3, Batch { stamp: much_later, envelopes: vec![] })]).await;
    assert_eq!(reader.images(10, None).await.unwrap(), []);
    let (_, mut again) = batch(4, [enqueue([new_job(20)])]);
    again.stamp = much_later;
    for envelope in &mut again.envelopes {
        envelope.deadline = much_later;
    }
    harness.apply([(4, again)]).await;
    let image = reader.image(ImageId([1; 16])).await.unwrap().unwrap();
    assert_eq!(image.created_at, much_later);
}

#[tokio::test]
async fn answers_are_given_again_as_the_jobs_are_now() {
    let (mut harness, _) = ten().await;
    harness.apply([batch(3, [Command::Delete { id: id(2) }, Command::Delete { id: id(9) }])]).await;
    harness.reopen(Tuning::default());
    let reader = harness.table().reader();
    let answer = async |index, offset| reader.answer(request(index, offset)).await.unwrap().unwrap();
    let jobs = async |index, offset| match answer(index, offset).await.outcome {
        Ok(Reply::Jobs(jobs) | Reply::Enqueued { jobs, .. }) => ids(&jobs),
        other => panic!("{other:?}"),
    };
    assert_eq!(jobs(1, 0).await, [0, 1, 3, 4, 5, 6, 7, 8, 9].map(id), "enqueued and still there");
    assert_eq!(jobs(1, 1).await, [4, 5].map(id), "granted and still running");
    assert_eq!(answer(2, 0).await.position, Position { index: 2, offset: 0 });
    assert!(matches!(answer(2, 0).await.outcome, Ok(Reply::Job(job)) if job.status() == Status::Success));
    assert_eq!(answer(2, 2).await.outcome, Err(Refusal::NoSuchJob), "deleted meanwhile");
    assert_eq!(answer(3, 0).await.outcome, Ok(Reply::Done));
    assert_eq!(answer(3, 1).await.outcome, Err(Refusal::WrongStatus { status: Status::Queued }));
    assert_eq!(reader.answer(request(9, 9)).await.unwrap(), None);
}

/// A queued job's record leaves its lane when it is granted, and its place there is erased. Whoever reads a hundred jobs in the moment
/// when they go meets some of them between the two places.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_goes_on_while_it_is_read_is_found() {
    const JOBS: u64 = 100;
    let mut harness = Harness::new(Tuning::default());
    harness.apply([batch(1, [enqueue((0..JOBS).map(new_job))])]).await;
    let (reader, next) = (harness.table().reader(), Arc::new(AtomicU64::new(0)));
    let reads = tokio::spawn({
        let next = Arc::clone(&next);
        async move {
            loop {
                let n = next.load(Ordering::Relaxed);
                if n == JOBS {
                    return;
                }
                assert_eq!(reader.job(id(n)).await.unwrap().map(|job| job.id), Some(id(n)));
            }
        }
    });
    for n in 0..JOBS {
        harness.apply([batch(2 + n, [consume(1)])]).await;
        next.store(n + 1, Ordering::Relaxed);
    }
    reads.await.unwrap();
}

#[tokio::test]
async fn a_record_that_is_not_at_its_place_is_damage() {
    let mut harness = Harness::new(Tuning::default());
    harness.apply([batch(1, [enqueue([new_job(1)])])]).await;
    let reader = harness.table().reader();
    let place = Place::of(&reader.job(id(1)).await.unwrap().unwrap()).unwrap();
    let db = &harness.table().applier().generation.db;
    let mut rows = WriteBatch::default();
    db.delete(&mut rows, place.family(), &place.key());
    db.write(rows).unwrap();
    let refused = reader.job(id(1)).await.unwrap_err();
    assert!(matches!(refused, StoreError::Damaged { .. }), "{refused}");
}
