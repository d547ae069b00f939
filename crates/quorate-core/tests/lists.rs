//! What a list has, and in which order: the model looks at all jobs, so it is the oracle of every other table's lists.

#![allow(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

mod common;

use common::{Log, T0, Watched, job_id, new_job};
use quorate_core::{
    Command, Filter, ImageId, JobsPage, JobsQuery, NewJob, Order, Period, Reason, Status, Take, Timestamp,
};

const OTHER: ImageId = ImageId([9; 16]);

/// Jobs 9, 5, 7 and 3, in this order: 9 has succeeded and is retried as 1; 5 was delayed, 7 runs, 3 is queued and of another
/// image.
fn some() -> Log {
    let mut log = Log::new(Watched::default());
    let enqueue = |jobs| Command::Enqueue { jobs, key: None };
    let delayed = NewJob { delay: 5, ..new_job(5) };
    log.run(T0, enqueue(vec![new_job(9), delayed])).unwrap();
    log.run(T0, enqueue(vec![new_job(7), NewJob { image_id: OTHER, ..new_job(3) }])).unwrap();
    log.run(T0, Command::Consume { take: Take::default_queue(2), key: None }).unwrap();
    log.run(T0, Command::Succeed { id: job_id(9), log: "".into() }).unwrap();
    log.run(T0, Command::Retry { id: job_id(9), new_id: job_id(1), anew: false, key: None }).unwrap();
    log.tick(T0.plus_seconds(5));
    log
}

/// The jobs of a list, newest first, whatever the order and the length of its pages.
fn list(log: &Log, query: JobsQuery) -> Vec<u64> {
    let newest = list_in_order(log, query.clone());
    let mut oldest = list_in_order(log, JobsQuery { order: Order::OldestFirst, ..query });
    oldest.reverse();
    assert_eq!(oldest, newest);
    newest
}

fn list_in_order(log: &Log, query: JobsQuery) -> Vec<u64> {
    let ids = |page: &JobsPage| page.jobs.iter().map(|job| u128::from_be_bytes(job.id.0) as u64).collect();
    let whole: Vec<u64> = ids(&log.table.model.list(&JobsQuery { n: 100, ..query.clone() }));
    for n in 1..5 {
        let (mut paged, mut query) = (Vec::new(), JobsQuery { n, ..query.clone() });
        loop {
            let page = log.table.model.list(&query);
            paged.extend(ids(&page));
            let Some(next) = page.next else { break };
            assert_eq!(page.jobs.len(), n, "a page of the model is full, but the last");
            query.behind = Some(next);
        }
        assert_eq!(paged, whole, "{n} a page");
    }
    whole
}

#[test]
fn the_newest_is_what_came_last_into_the_log() {
    let log = some();
    let of = |status: Option<Status>| {
        let statuses = status.map_or(Status::ACTIVE.to_vec(), |status| vec![status]);
        let filter = Filter { statuses, ..Filter::default() };
        list(&log, JobsQuery { filter, ..JobsQuery::default() })
    };
    assert_eq!(of(None), [1, 3, 7, 5], "ids say nothing, and to be released makes no job newer");
    assert_eq!(of(Some(Status::Queued)), [1, 3, 5]);
    assert_eq!(of(Some(Status::Running)), [7]);
    assert_eq!(of(Some(Status::Success)), [9]);
    assert_eq!(of(Some(Status::Error)), [0; 0]);
}

#[test]
fn a_list_of_an_image_has_no_others() {
    let log = some();
    let of = |image| {
        let filter = Filter { image: Some(image), statuses: Status::ACTIVE.to_vec(), ..Filter::default() };
        list(&log, JobsQuery { filter, ..JobsQuery::default() })
    };
    assert_eq!(of(OTHER), [3]);
    assert_eq!(of(ImageId([1; 16])), [1, 7, 5]);
    assert_eq!(of(ImageId([8; 16])), [0; 0]);
}

/// Jobs 1 to 4 fail: 1 has a retry left, 2 is retried by hand as 20, 3 and 4 are dead. 5 was cancelled, 6 succeeded.
fn failures() -> Log {
    let mut log = Log::new(Watched::default());
    let tagged = |n, tags: &[&str]| NewJob {
        key: if n % 2 == 0 { "even".into() } else { "".into() },
        tags: tags.iter().map(|tag| Box::from(*tag)).collect(),
        max_retries: Some(u32::from(n == 1)),
        ..new_job(n)
    };
    let jobs = [(1, &["a"][..]), (2, &["a", "b"]), (3, &["b"]), (4, &["b", "a"]), (5, &["a"]), (6, &[])];
    for (n, tags) in jobs {
        log.run(at(n), Command::Enqueue { jobs: vec![tagged(n, tags)], key: None }).unwrap();
    }
    log.run(at(6), Command::Consume { take: Take::default_queue(6), key: None }).unwrap();
    for (n, reason) in [(1, Reason::Killed), (2, Reason::BadExit), (3, Reason::Killed), (4, Reason::BadExit)]
    {
        let (details, log_of_it) = ("".into(), "".into());
        let fail = Command::Fail { id: job_id(n), reason, details, log: log_of_it, for_good: false };
        log.run(at(6 + n), fail).unwrap();
    }
    log.run(at(11), Command::Cancel { id: job_id(5), details: "".into() }).unwrap();
    log.run(at(12), Command::Succeed { id: job_id(6), log: "".into() }).unwrap();
    log.run(at(13), Command::Retry { id: job_id(2), new_id: job_id(20), anew: false, key: None }).unwrap();
    log
}

fn at(seconds: u64) -> Timestamp {
    T0.plus_millis(1_000 * seconds)
}

fn fitting(log: &Log, filter: Filter) -> Vec<u64> {
    list(log, JobsQuery { filter, ..JobsQuery::default() })
}

#[test]
fn an_error_is_dead_until_another_job_goes_on_from_it() {
    let log = failures();
    let of = |statuses: &[Status], dead, reason| {
        fitting(&log, Filter { statuses: statuses.to_vec(), dead, reason, ..Filter::default() })
    };
    assert_eq!(of(&[Status::Error], None, None), [4, 3, 2, 1]);
    assert_eq!(of(&[Status::Error], Some(true), None), [4, 3]);
    assert_eq!(of(&[Status::Error], Some(false), None), [2, 1]);
    assert_eq!(of(&[Status::Error], Some(true), Some(Reason::Killed)), [3]);
    assert_eq!(of(&[Status::Error], None, Some(Reason::Killed)), [3, 1]);
    assert_eq!(of(&Status::ALL, Some(false), None), [2, 1], "no others are dead or not");
    assert_eq!(of(&[Status::Success], Some(false), None), [0; 0]);
    assert_eq!(of(&[Status::Error, Status::Cancelled], None, None), [5, 4, 3, 2, 1]);
}

#[test]
fn a_list_of_tags_has_what_has_all_of_them() {
    let log = failures();
    let of = |tags: &[&str], statuses: &[Status]| {
        let tags = tags.iter().map(|tag| Box::from(*tag)).collect();
        fitting(&log, Filter { tags, statuses: statuses.to_vec(), ..Filter::default() })
    };
    assert_eq!(of(&["b"], &[Status::Error]), [4, 3, 2]);
    assert_eq!(of(&["b", "a"], &[Status::Error]), [4, 2]);
    assert_eq!(of(&["c"], &Status::ALL), [0; 0]);
    let retries = of(&["a"], &Status::ACTIVE);
    assert_eq!((retries.len(), retries[0]), (2, 20), "a retry has them too");
    let key = Filter { key: Some("even".into()), statuses: vec![Status::Error], ..Filter::default() };
    assert_eq!(fitting(&log, key), [4, 2]);
}

#[test]
fn times_are_from_and_until() {
    let log = failures();
    let period = |from: Option<u64>, until: Option<u64>| Period { from: from.map(at), until: until.map(at) };
    let created = |from, until| {
        fitting(
            &log,
            Filter { statuses: Status::ALL.to_vec(), created: period(from, until), ..Filter::default() },
        )
    };
    let finished = |from, until| {
        fitting(
            &log,
            Filter { statuses: Status::ALL.to_vec(), finished: period(from, until), ..Filter::default() },
        )
    };
    assert_eq!(created(Some(2), Some(4)), [3, 2]);
    assert_eq!(created(None, Some(3)), [2, 1]);
    assert_eq!(created(Some(13), None), [20]);
    assert_eq!(created(Some(4), Some(4)), [0; 0]);
    assert_eq!(finished(Some(8), Some(10)), [3, 2]);
    assert_eq!(finished(None, Some(9)), [2, 1], "none that has not finished");
}
