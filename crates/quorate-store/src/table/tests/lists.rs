//! What lists look at, however many other jobs there are.

use quorate_core::{
    Batch, Command, Envelope, Filter, ImageId, JobId, JobsQuery, NewJob, Order, Period, QueueName, Reason,
    RequestId, Status, Timestamp, limits,
};

use super::harness::{Harness, entry};
use super::jobs::{NOW, batch, consume, enqueue, id, new_job, request, succeed};
use crate::reader::list::{Bounds, page};
use crate::table::tuning::Tuning;

fn fail(n: u64, reason: Reason) -> Command {
    Command::Fail { id: id(n), reason, details: "".into(), log: "".into(), for_good: false }
}

fn retry(n: u64, new: u64) -> Command {
    Command::Retry { id: id(n), new_id: id(new), anew: false, key: None }
}

/// The one page of a list that looks at so many rows.
fn look(harness: &mut Harness, order: Order, filter: &Filter, rows: usize) -> Vec<JobId> {
    let query = JobsQuery { n: 10, order, behind: None, filter: filter.clone() };
    let db = &harness.table().applier().generation.db;
    let page = page(db, &query, Bounds { rows, records: rows }).unwrap();
    assert_eq!(page.next, None, "{query:?}");
    page.jobs.iter().map(|job| job.id).collect()
}

/// The same in both orders.
#[track_caller]
fn finds(harness: &mut Harness, filter: Filter, rows: usize, expected: &[u64]) {
    let mut expected: Vec<JobId> = expected.iter().copied().map(id).collect();
    assert_eq!(look(harness, Order::NewestFirst, &filter, rows), expected, "{filter:?}");
    expected.reverse();
    assert_eq!(look(harness, Order::OldestFirst, &filter, rows), expected, "{filter:?}, the oldest first");
}

fn errors(dead: Option<bool>, reason: Option<Reason>) -> Filter {
    Filter { statuses: vec![Status::Error], dead, reason, ..Filter::default() }
}

/// Five hundred jobs failed, and all but a few were retried, by hand or by the cluster.
#[tokio::test]
async fn the_dead_are_found_at_once_among_those_that_were_retried() {
    let mut harness = Harness::new(Tuning::default());
    let others = ImageId([2; 16]);
    let job = |n: u64| {
        let queue = if n == 100 { QueueName::new("other").unwrap() } else { QueueName::DEFAULT };
        let image_id = if n == 200 { others } else { ImageId([1; 16]) };
        NewJob { queue, image_id, max_retries: Some(u32::from(n >= 250)), ..new_job(n) }
    };
    harness.apply([batch(1, [enqueue((0..500).map(job)), consume(500)])]).await;
    let take_other =
        quorate_core::Take { from: quorate_core::Source::All, ..quorate_core::Take::default_queue(1) };
    harness.apply([batch(2, [Command::Consume { take: take_other, key: None }])]).await;
    let reason = |n: u64| if n.is_multiple_of(2) { Reason::BadExit } else { Reason::Killed };
    for (index, from) in (3..).zip((0..500).step_by(100)) {
        harness.apply([batch(index, (from..from + 100).map(|n| fail(n, reason(n))))]).await;
    }
    let by_hand = (0..250).filter(|n| ![7, 100, 101, 200].contains(n)).map(|n| retry(n, 1_000 + n));
    harness.apply([batch(10, by_hand)]).await;

    let other = harness.table().reader().queue(&QueueName::new("other").unwrap()).unwrap().queue.id;
    finds(&mut harness, errors(Some(true), None), 4, &[200, 101, 100, 7]);
    finds(&mut harness, errors(Some(true), Some(Reason::Killed)), 2, &[101, 7]);
    finds(&mut harness, Filter { queue: Some(other), ..errors(Some(true), None) }, 1, &[100]);
    finds(&mut harness, Filter { queue: Some(other), ..errors(None, None) }, 1, &[100]);
    finds(&mut harness, Filter { queue: Some(other), ..errors(None, Some(Reason::Killed)) }, 1, &[]);
    finds(&mut harness, Filter { image: Some(others), ..errors(Some(true), None) }, 1, &[200]);
    finds(&mut harness, Filter { image: Some(others), ..errors(Some(false), None) }, 1, &[]);
    let most = ImageId([1; 16]);
    finds(&mut harness, Filter { image: Some(most), ..errors(None, Some(Reason::Timeout)) }, 0, &[]);
    finds(&mut harness, Filter { image: Some(most), ..errors(Some(true), Some(Reason::BadExit)) }, 2, &[100]);
    // One that is retried at last goes from the dead to the others.
    harness.apply([batch(11, [retry(200, 1_200)])]).await;
    finds(&mut harness, errors(Some(true), None), 3, &[101, 100, 7]);
    finds(&mut harness, Filter { image: Some(others), ..errors(Some(false), None) }, 1, &[200]);
    harness.dump(); // checks every row of the lists
}

#[tokio::test]
async fn jobs_of_a_key_or_a_tag_are_found_at_once_whatever_became_of_them() {
    let mut harness = Harness::new(Tuning::default());
    let job = |n: u64| {
        let (key, tags) = match n {
            50 => ("few", vec!["a", "b"]),
            150 => ("few", vec!["a"]),
            250 => ("", vec!["b"]),
            _ => ("", vec!["many"]),
        };
        NewJob { key: key.into(), tags: tags.into_iter().map(Box::from).collect(), ..new_job(n) }
    };
    harness.apply([batch(1, [enqueue((0..300).map(job)), consume(300)])]).await;
    harness.apply([batch(2, [succeed(50, ""), fail(150, Reason::BadExit)])]).await;
    let of = |statuses: &[Status]| Filter { statuses: statuses.to_vec(), ..Filter::default() };
    let tags = |tags: &[&str]| tags.iter().map(|tag| Box::from(*tag)).collect::<Vec<Box<str>>>();
    finds(&mut harness, Filter { key: Some("few".into()), ..of(&Status::ALL) }, 2, &[150, 50]);
    finds(&mut harness, Filter { tags: tags(&["a"]), ..of(&Status::ALL) }, 2, &[150, 50]);
    finds(&mut harness, Filter { tags: tags(&["b", "a"]), ..of(&Status::ALL) }, 2, &[50]);
    finds(&mut harness, Filter { tags: tags(&["b"]), ..of(&Status::ACTIVE) }, 2, &[250]);
    finds(&mut harness, Filter { tags: tags(&["a"]), ..errors(Some(true), None) }, 2, &[150]);
    // No text that can be asked for is another's beginning, nor too long.
    for none in ["", "fe", "fewer", &"x".repeat(300)] {
        finds(&mut harness, Filter { tags: tags(&[none]), ..of(&Status::ALL) }, 0, &[]);
    }
    finds(&mut harness, Filter { key: Some("x".repeat(300).into()), ..of(&Status::ALL) }, 0, &[]);
    harness.apply([batch(3, [Command::Delete { id: id(50) }])]).await;
    finds(&mut harness, Filter { tags: tags(&["a"]), ..of(&Status::ALL) }, 1, &[150]);
    harness.dump();
}

/// Three hundred jobs of a key and a tag have succeeded; a few are left, among as many others.
#[tokio::test]
async fn of_a_key_or_a_tag_that_many_have_the_few_in_a_status_are_found_at_once() {
    let mut harness = Harness::new(Tuning::default());
    let job = |n: u64, text: &str| NewJob {
        key: text.into(),
        tags: [text.into()].into(),
        max_retries: Some(0),
        ..new_job(n)
    };
    harness.apply([batch(1, [enqueue((0..300).map(|n| job(n, "all"))), consume(300)])]).await;
    harness.apply([batch(2, [fail(7, Reason::BadExit)])]).await;
    for (index, from) in (3..).zip((0..300).step_by(100)) {
        let well = (from..from + 100).filter(|n| *n != 7).map(|n| succeed(n, ""));
        harness.apply([batch(index, well)]).await;
    }
    let rest = (300..600).map(|n| job(n, if n == 400 { "all" } else { "other" }));
    harness.apply([batch(6, [enqueue(rest)])]).await;
    let key = |statuses: &[Status]| Filter {
        key: Some("all".into()),
        statuses: statuses.to_vec(),
        ..Filter::default()
    };
    finds(&mut harness, key(&Status::ACTIVE), 1, &[400]);
    finds(&mut harness, key(&[Status::Running]), 0, &[]);
    finds(&mut harness, key(&[Status::Error]), 1, &[7]);
    let tag = |filter: Filter| Filter { tags: vec!["all".into()], ..filter };
    finds(&mut harness, tag(errors(Some(true), None)), 1, &[7]);
    finds(&mut harness, tag(Filter { statuses: vec![Status::Running], ..Filter::default() }), 0, &[]);
    // What contradicts itself has no rows.
    finds(&mut harness, Filter { dead: Some(true), ..tag(key(&[Status::Queued])) }, 0, &[]);
}

/// A job a second, each of which fails 1,000 s later.
#[tokio::test]
async fn a_list_of_a_time_begins_where_the_time_does() {
    let mut harness = Harness::new(Tuning::default());
    let at = |index: u64, seconds: u64, commands: Vec<Command>| {
        let stamp = NOW.plus_millis(1_000 * seconds);
        let deadline = stamp.plus_millis(limits::REQUEST_MILLIS);
        let envelope = |(command, offset)| Envelope { request_id: request(index, offset), deadline, command };
        (index, Batch { stamp, envelopes: commands.into_iter().zip(0..).map(envelope).collect() })
    };
    let job = |n| NewJob { timeout: Some(limits::TIMEOUT_SECONDS), tags: ["t".into()].into(), ..new_job(n) };
    harness.apply((0..200).map(|n| at(1 + n, n, vec![enqueue([job(n)])]))).await;
    let moment = |seconds: Option<u64>| seconds.map(|seconds| NOW.plus_millis(1_000 * seconds));
    let period = |from, until| Period { from: moment(from), until: moment(until) };
    let created = |filter: Filter, from, until| Filter { created: period(from, until), ..filter };
    let tagged = Filter { tags: vec!["t".into()], ..Filter::default() };
    for filter in [Filter { statuses: Status::ACTIVE.to_vec(), ..Filter::default() }, tagged] {
        finds(&mut harness, created(filter.clone(), Some(100), Some(103)), 3, &[102, 101, 100]);
        finds(&mut harness, created(filter.clone(), None, Some(2)), 2, &[1, 0]);
        finds(&mut harness, created(filter.clone(), Some(198), None), 2, &[199, 198]);
        finds(&mut harness, created(filter, Some(103), Some(100)), 0, &[]);
    }
    harness.apply([at(201, 300, vec![consume(200)])]).await;
    harness.apply((0..200).map(|n| at(202 + n, 1_000 + n, vec![fail(n, Reason::BadExit)]))).await;
    let finished = |from, until| Filter { finished: period(from, until), ..errors(None, None) };
    for filter in [errors(None, None), errors(Some(true), None), errors(None, Some(Reason::BadExit))] {
        finds(&mut harness, created(filter, Some(100), Some(103)), 3, &[102, 101, 100]);
    }
    finds(&mut harness, finished(Some(1_100), Some(1_103)), 200, &[102, 101, 100]);
    finds(&mut harness, finished(None, Some(150)), 150, &[]);
}

/// What is not asked for costs nothing: all that a tag costs is a row when the job comes.
#[tokio::test]
async fn a_job_without_key_and_tags_writes_no_rows_for_them() {
    let mut harness = Harness::new(Tuning::default());
    let mut rows = |index: u64, stamp: Timestamp, command: Command| {
        let deadline = stamp.plus_millis(limits::REQUEST_MILLIS);
        let envelopes =
            vec![Envelope { request_id: RequestId([u8::try_from(index).unwrap(); 16]), deadline, command }];
        let applier = harness.table().applier();
        applier.apply(&entry(index, Batch { stamp, envelopes })).unwrap();
        let rows = applier.unwritten.rows.len();
        applier.write().unwrap();
        rows
    };
    // The first one makes the image, the lane and what else is there once.
    let mut life = |first: u64, n: u64, tags: &[&str]| {
        let job = NewJob { tags: tags.iter().map(|tag| Box::from(*tag)).collect(), ..new_job(n) };
        [enqueue([job]), consume(1), succeed(n, ""), Command::Delete { id: id(n) }]
            .into_iter()
            .zip(first..)
            .map(|(command, index)| rows(index, NOW, command))
            .collect::<Vec<_>>()
    };
    life(1, 0, &[]);
    let plain = life(5, 1, &[]);
    let tagged = life(9, 2, &["a", "b", "c"]);
    let more: Vec<usize> = plain.iter().zip(&tagged).map(|(plain, tagged)| tagged - plain).collect();
    assert_eq!(more, [3, 0, 0, 3], "{plain:?}");
}
