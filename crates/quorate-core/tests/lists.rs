//! What a list has, and in which order: the model looks at all jobs, so it is the oracle of every other table's lists.

#![allow(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

mod common;

use common::{Log, T0, job_id, new_job};
use quorate_core::model::Model;
use quorate_core::{Command, Filter, ImageId, JobsPage, JobsQuery, NewJob, Status, Take};

const OTHER: ImageId = ImageId([9; 16]);

/// Jobs 9, 5, 7 and 3, in this order: 9 has succeeded and is retried as 1; 5 was delayed, 7 runs, 3 is queued and of another
/// image.
fn some() -> Log<Model> {
    let mut log = Log::new(Model::new());
    let enqueue = |jobs| Command::Enqueue { jobs, key: None };
    let delayed = NewJob { delay: 5, ..new_job(5) };
    log.run(T0, enqueue(vec![new_job(9), delayed])).unwrap();
    log.run(T0, enqueue(vec![new_job(7), NewJob { image_id: OTHER, ..new_job(3) }])).unwrap();
    log.run(T0, Command::Consume { take: Take::default_queue(2), key: None }).unwrap();
    log.run(T0, Command::Succeed { id: job_id(9), log: "".into() }).unwrap();
    log.run(T0, Command::Retry { id: job_id(9), new_id: job_id(1), key: None }).unwrap();
    log.tick(T0.plus_seconds(5));
    log
}

fn list(log: &Log<Model>, query: JobsQuery) -> Vec<u64> {
    let ids = |page: &JobsPage| page.jobs.iter().map(|job| u128::from_be_bytes(job.id.0) as u64).collect();
    let whole: Vec<u64> = ids(&log.table.list(&JobsQuery { n: 100, ..query.clone() }));
    for n in 1..5 {
        let (mut paged, mut query) = (Vec::new(), JobsQuery { n, ..query.clone() });
        loop {
            let page = log.table.list(&query);
            paged.extend(ids(&page));
            let Some(next) = page.next else { break };
            assert_eq!(page.jobs.len(), n, "a page of the model is full, but the last");
            query.before = Some(next);
        }
        assert_eq!(paged, whole, "{n} a page");
    }
    whole
}

#[test]
fn the_newest_is_what_came_last_into_the_log() {
    let log = some();
    let of = |status: Option<Status>| {
        let filter = Filter { statuses: status.into_iter().collect(), ..Filter::default() };
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
        let filter = Filter { image: Some(image), ..Filter::default() };
        list(&log, JobsQuery { filter, ..JobsQuery::default() })
    };
    assert_eq!(of(OTHER), [3]);
    assert_eq!(of(ImageId([1; 16])), [1, 7, 5]);
    assert_eq!(of(ImageId([8; 16])), [0; 0]);
}
