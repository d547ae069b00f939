//! Queues in which jobs of more images wait than consumers of any queue find it by.

#![allow(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

mod common;

use common::{Log, T0, Watched, new_job, ok_jobs};
use quorate_core::{Command, ImageId, NewJob, QueueName, Setting, Source, Table, Take, WaitBounds};

fn name(text: &str) -> QueueName {
    QueueName::new(text).unwrap()
}

/// Jobs of these images, so many of each.
fn enqueue(log: &mut Log, queue: &str, images: std::ops::Range<u8>, of_each: u64) {
    for image in images {
        let before = log.table.model.jobs().len() as u64;
        let job = |number| NewJob {
            queue: name(queue),
            image: image.to_string().into(),
            image_id: ImageId([image; 16]),
            ..new_job(number)
        };
        let jobs = (1..=of_each).map(|number| job(before + number)).collect();
        log.run(T0, Command::Enqueue { jobs, key: None }).unwrap();
    }
}

fn set(log: &mut Log, queue: &str, setting: Setting) {
    log.run(T0, Command::ConfigureQueue { name: name(queue), settings: vec![setting] }).unwrap();
}

/// The queue of the job that somebody gets who takes these images, of any queue.
fn consume(log: &mut Log, images: &[u8]) -> Option<String> {
    let images = images.iter().map(|image| ImageId([*image; 16])).collect();
    let take = Take { from: Source::All, images, ..Take::default_queue(1) };
    let jobs = ok_jobs(log.run(T0, Command::Consume { take, key: None }));
    let queue = |id| log.table.model.dispatch().queue(id).unwrap().name.to_string();
    jobs.first().map(|job| queue(job.queue))
}

/// Of `a` jobs of four images wait, of `b` of one, and `c` is as `a`, but paused.
fn three_queues() -> Log {
    let mut table = Watched::default();
    table.bound(WaitBounds { images_listed: 2, ..WaitBounds::default() });
    let mut log = Log::new(table);
    enqueue(&mut log, "a", 0..4, 80);
    enqueue(&mut log, "b", 0..1, 80);
    enqueue(&mut log, "c", 0..4, 80);
    set(&mut log, "c", Setting::Paused(true));
    log
}

#[test]
fn each_queue_is_drawn_as_often_as_any_other() {
    let mut log = three_queues();
    let drawn: Vec<String> = (0..80).map(|_| consume(&mut log, &[0]).unwrap()).collect();
    let of_a = drawn.iter().filter(|queue| *queue == "a").count();
    assert!((20..60).contains(&of_a) && drawn.iter().all(|queue| queue != "c"), "{drawn:?}");
}

#[test]
fn one_is_found_by_its_images_while_it_is_open() {
    let mut log = three_queues();
    assert_eq!(consume(&mut log, &[3]).as_deref(), Some("a"));
    set(&mut log, "a", Setting::MaxRunning(Some(1)));
    assert_eq!(consume(&mut log, &[3]), None, "it is full");
    set(&mut log, "a", Setting::MaxRunning(Some(2)));
    assert_eq!(consume(&mut log, &[2, 5]).as_deref(), Some("a"));
    assert_eq!(consume(&mut log, &[3]), None);
    set(&mut log, "c", Setting::Paused(false));
    assert_eq!(consume(&mut log, &[3]).as_deref(), Some("c"));
}

#[test]
fn one_that_is_crowded_no_more_is_found_as_all_others() {
    let mut log = three_queues();
    for image in [3, 2, 1, 0] {
        let taken = std::iter::from_fn(|| consume(&mut log, &[image])).count();
        assert_eq!(taken, if image == 0 { 160 } else { 80 });
    }
    enqueue(&mut log, "a", 0..4, 1);
    assert_eq!(consume(&mut log, &[1]).as_deref(), Some("a"), "and crowded again");
}
