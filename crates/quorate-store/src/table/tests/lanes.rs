use quorate_core::{
    Command, Filter, Job, JobsQuery, NewJob, QueueName, Reply, Setting, Source, Status, Table, Take, limits,
};

use super::harness::Harness;
use super::jobs::{batch, consume, enqueue, id, new_job};
use crate::reader::list::{Bounds, page};
use crate::table::tuning::Tuning;

/// Enqueues the jobs of `numbers`, and has them granted in their order.
async fn through(harness: &mut Harness, index: u64, numbers: std::ops::Range<u64>) {
    let jobs = numbers.clone().map(new_job);
    harness.apply([batch(index, [enqueue(jobs)])]).await;
    let wanted = u32::try_from(numbers.end - numbers.start).unwrap();
    let answers = harness.apply([batch(index + 1, [consume(wanted)])]).await;
    let Ok(Reply::Jobs(granted)) = &answers[0][0].outcome else { panic!("{answers:?}") };
    assert!(granted.iter().map(|job| job.id).eq(numbers.map(id)), "first in, first out");
}

/// A start takes the windows up from the marks, whatever was granted, and is not misled by an empty lane.
#[tokio::test]
async fn an_emptied_lane_goes_on_after_a_restart() {
    let tuning = Tuning { lane: 2, lane_jobs: 3, ..Tuning::default() };
    let mut harness = Harness::new(tuning);
    for round in 0..6 {
        through(&mut harness, 1 + 2 * round, round * 5..round * 5 + 5).await;
        harness.reopen(tuning);
        assert_eq!(harness.dump().queued, []);
    }
}

/// The core does not change a queued job today; if it does, its lane has it as it is.
#[tokio::test]
async fn a_queued_job_that_is_changed_stays_at_its_place() {
    let mut harness = Harness::new(Tuning { lane: 1, ..Tuning::default() });
    harness.apply([batch(1, [enqueue((0..3).map(new_job))])]).await;
    let applier = harness.table().applier();
    for n in 0..3 {
        let before = applier.job(id(n)).unwrap().unwrap();
        let after = Job { timeout: 77, ..before.clone() };
        applier.put_job(Some(&before), &after).unwrap();
    }
    applier.write().unwrap();
    harness.dump(); // compares the lane's records
    let answers = harness.apply([batch(2, [consume(3)])]).await;
    let Ok(Reply::Jobs(granted)) = &answers[0][0].outcome else { panic!("{answers:?}") };
    assert!(granted.iter().map(|job| (job.id, job.timeout)).eq((0..3).map(|n| (id(n), 77))));
}

/// A lane for each key: memory holds jobs of a few of them only, lists find the jobs of all.
#[tokio::test]
async fn many_lanes_cost_no_more_memory_and_no_job() {
    let tuning = Tuning { lanes: 16, lane_jobs: 64, ..Tuning::default() };
    let mut harness = Harness::new(tuning);
    let keys = 3 * limits::LANES_IN_LISTS as u64;
    for round in 0..4 {
        let job = |n| NewJob { key: format!("key-{}", n % keys).into(), ..new_job(n) };
        harness.apply([batch(1 + round, [enqueue((round * keys..(round + 1) * keys).map(job))])]).await;
    }
    harness.dump(); // checks the bounds, and that lists look into few lanes
    let query = JobsQuery {
        n: 10_000,
        filter: Filter { statuses: vec![Status::Queued], ..Filter::default() },
        ..JobsQuery::default()
    };
    let listed = page(&harness.table().applier().generation.db, &query, Bounds::default()).unwrap().jobs;
    assert!(listed.iter().map(|job| job.id).eq((0..4 * keys).rev().map(id)), "the newest first");

    harness.reopen(tuning);
    let mut granted = Vec::new();
    for index in 0.. {
        let answers = harness.apply([batch(100 + index, [consume(100)])]).await;
        let Ok(Reply::Jobs(jobs)) = &answers[0][0].outcome else { panic!("{answers:?}") };
        if jobs.is_empty() {
            break;
        }
        granted.extend(jobs.iter().map(|job| job.id));
        harness.dump();
    }
    assert!(granted.iter().copied().eq((0..4 * keys).map(id)), "keys take turns");
}

/// A queue's record is on the disk with the write that changes it, and gone with its last job.
#[tokio::test]
async fn queues_outlive_a_restart() {
    let name = |name: &str| QueueName::new(name).unwrap();
    let set = |queue, settings| Command::ConfigureQueue { name: name(queue), settings };
    let mut harness = Harness::new(Tuning::default());
    let job = NewJob { queue: name("used"), ..new_job(1) };
    harness.apply([batch(1, [set("set", vec![Setting::Paused(true)]), enqueue([job])])]).await;
    harness.reopen(Tuning::default());
    let reader = harness.table().reader();
    let names = |reader: &crate::Reader| {
        reader.queues(None, 9).into_iter().map(|view| view.queue.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(&reader), ["default", "set", "used"]);
    assert!(reader.queue(&name("set")).unwrap().queue.settings.paused);
    assert_eq!(reader.queue(&name("used")).unwrap().oldest, Some(super::jobs::NOW));
    let mut after: Vec<_> =
        reader.availability().into_iter().map(|of| (of.name.to_string(), of.places)).collect();
    after.sort();
    assert_eq!(after, [("default".into(), u64::MAX), ("set".into(), 0), ("used".into(), u64::MAX)]);

    let take = Take { from: Source::All, images: vec![], n: 1, worker: "w".into() };
    let end =
        [Command::Consume { take, key: None }, super::jobs::succeed(1, ""), Command::Delete { id: id(1) }];
    harness.apply([batch(2, end)]).await;
    assert_eq!(names(&reader), ["default", "set"], "it goes with its last job");
    drop(reader);
    harness.reopen(Tuning::default());
    assert_eq!(names(&harness.table().reader()), ["default", "set"]);
}
