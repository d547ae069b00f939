//! Who waits for jobs of a queue that is limited.

use crate::common::*;
use futures::FutureExt;
use quorate_core::{Command, NewJob, QueueName, Rate, Setting, Source, Take};
use quorate_node::Handle;

fn limited() -> QueueName {
    QueueName::new("limited").unwrap()
}

async fn set(handle: &Handle, settings: Vec<Setting>) {
    let command = Command::ConfigureQueue { name: limited(), settings };
    submit(handle, command).await.unwrap().outcome.unwrap();
}

/// Time alone, a setting and the end of another job let somebody have one, at whatever node he waits.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_limit_held_back_wakes_who_waits() {
    let cluster = Cluster::started(3).await;
    let (writer, waiter) = (cluster.at(0), cluster.at(1));
    let take = Take { from: Source::InOrder(vec![limited()]), ..Take::default_queue(1) };
    let consume = || Command::Consume { take: take.clone(), key: None };
    let taken = async || jobs(submit(waiter, consume()).await.unwrap()).len();
    // It is waited for before it is made.
    let mut first = Box::pin(waiter.queued_turn(&take));
    assert!((&mut first).now_or_never().is_none());

    set(writer, vec![Setting::Rate(Some(Rate { jobs: 1, seconds: 5 }))]).await;
    let new = (1..=4).map(|number| NewJob { queue: limited(), ..job(number) }).collect();
    submit(writer, Command::Enqueue { jobs: new, key: None }).await.unwrap().outcome.unwrap();
    let turn = tokio::time::timeout(LONG, first).await.unwrap();
    assert_eq!(taken().await, 1);
    drop(turn);
    let mut second = Box::pin(waiter.queued_turn(&take));
    assert!((&mut second).now_or_never().is_none(), "the rate has nothing left");
    assert!(!waiter.look(&take).found);
    let turn = tokio::time::timeout(LONG, second).await.unwrap();
    assert_eq!(taken().await, 1);
    drop(turn);

    set(writer, vec![Setting::Rate(None), Setting::Paused(true)]).await;
    waiter.barrier(LONG).await.unwrap();
    let mut third = Box::pin(waiter.queued_turn(&take));
    assert!((&mut third).now_or_never().is_none(), "the queue is paused");
    set(writer, vec![Setting::Paused(false), Setting::MaxRunning(Some(3))]).await;
    let turn = tokio::time::timeout(LONG, third).await.unwrap();
    assert_eq!(taken().await, 1);
    drop(turn);

    let mut fourth = Box::pin(waiter.queued_turn(&take));
    assert!((&mut fourth).now_or_never().is_none(), "three run");
    let done = Command::Succeed { id: job(1).id, log: "".into() };
    submit(writer, done).await.unwrap().outcome.unwrap();
    let turn = tokio::time::timeout(LONG, fourth).await.unwrap();
    assert_eq!(taken().await, 1);
    drop(turn);
    cluster.stop_all().await;
}

/// A key that is full lets others by, and its next job be had as soon as one of its jobs has ended.
#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_job_of_a_full_key_wakes_who_waits() {
    let cluster = Cluster::started(3).await;
    let (writer, waiter) = (cluster.at(0), cluster.at(1));
    let take = Take { from: Source::InOrder(vec![limited()]), ..Take::default_queue(1) };
    let taken = async || {
        let consume = Command::Consume { take: take.clone(), key: None };
        let granted = jobs(submit(waiter, consume).await.unwrap());
        granted.into_iter().map(|job| job.id).collect::<Vec<_>>()
    };
    set(writer, vec![Setting::MaxRunningPerKey(Some(1))]).await;
    let of = |number, key: &str| NewJob { queue: limited(), key: key.into(), ..job(number) };
    let new = vec![of(1, "anna"), of(2, "anna"), of(3, "bert")];
    submit(writer, Command::Enqueue { jobs: new, key: None }).await.unwrap().outcome.unwrap();
    assert_eq!(taken().await, [job(1).id]);
    assert_eq!(taken().await, [job(3).id]);
    let mut next = Box::pin(waiter.queued_turn(&take));
    assert!((&mut next).now_or_never().is_none(), "both keys are full");
    assert!(!waiter.look(&take).found);

    let done = |number| Command::Succeed { id: job(number).id, log: "".into() };
    submit(writer, done(3)).await.unwrap().outcome.unwrap();
    waiter.barrier(LONG).await.unwrap();
    assert!((&mut next).now_or_never().is_none(), "of that one nothing waits");
    submit(writer, done(1)).await.unwrap().outcome.unwrap();
    let turn = tokio::time::timeout(LONG, next).await.unwrap();
    assert_eq!(taken().await, [job(2).id]);
    drop(turn);
    cluster.stop_all().await;
}
