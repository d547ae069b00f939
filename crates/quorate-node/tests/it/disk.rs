//! Disks that are short of room, and full ones. What a real disk does is in `crates/quorate/tests/small_disk.rs`.

use std::time::Duration;

use crate::common::*;
use bytes::Bytes;
use quorate_core::{Command, JobId, NewJob, Reason, Settings, Status, Unavailable};
use quorate_node::{DiskState, Reserve, Unready};

/// Whatever the disk has is too little for new jobs.
const SHORT: Reserve = Reserve { short: u64::MAX, ..Reserve::NONE };
/// Whatever it has is too little for anything.
const NOTHING: Reserve = Reserve { floor: u64::MAX, ..Reserve::NONE };

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_short_hands_over_and_every_node_takes_jobs() {
    let mut cluster = Cluster::tuned(3, |config| {
        if config.name != "n3" {
            config.reserve = Some(SHORT);
        }
    });
    cluster.start_all().await;
    eventually("the one with room leads", async || cluster.at(2).gauges().leads).await;
    for at in 0..3 {
        put(cluster.at(at), at as u64).await;
    }
    // The others can lead no longer than it takes to hand over, one that did so a moment ago, too: jobs wait for that, and are
    // not refused.
    assert!(cluster.hand_over(2).await);
    for at in 0..3 {
        put(cluster.at(at), 10 + at as u64).await;
    }
    eventually("the one with room leads again", async || cluster.at(2).gauges().leads).await;
    assert_eq!(cluster.at(0).gauges().disk, DiskState::Short);
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_has_room_new_jobs_are_refused_and_what_leads_to_their_end_goes_on() {
    let mut cluster = Cluster::started(3).await;
    for number in 0..6 {
        let mut new = job(number);
        new.max_retries = Some(u32::from(number == 1));
        let enqueue = Command::Enqueue { jobs: vec![new], key: None };
        submit(cluster.at(0), enqueue).await.unwrap();
    }
    for at in 0..3 {
        cluster.stop(at).await;
        cluster.tune(at, |config| config.reserve = Some(SHORT));
    }
    cluster.start_all().await;
    let node = cluster.follower().await;
    let handle = cluster.at(node);
    let id = |number| job(number).id;

    eventually("new jobs are refused", async || {
        submit(handle, enqueue(100)).await == Err(Unavailable::DiskFull)
    })
    .await;
    assert_eq!(jobs(submit(handle, consume(4)).await.unwrap()).len(), 4);
    let log = || Bytes::from_static(b"log");
    let fail =
        Command::Fail { id: id(1), reason: Reason::BadExit, details: "".into(), log: log(), for_good: false };
    for command in [
        Command::Touch { id: id(0), progress: None },
        Command::Succeed { id: id(0), log: log() },
        fail,
        Command::Cancel { id: id(2), details: "".into() },
        Command::Configure { settings: Settings { retention: 3_600 } },
        Command::Delete { id: id(0) },
    ] {
        let answered = submit(handle, command.clone()).await.unwrap();
        assert!(answered.outcome.is_ok(), "{command:?}: {answered:?}");
    }
    let retry = Command::Retry { id: id(2), new_id: JobId([1; 16]), anew: false, key: None };
    assert_eq!(submit(handle, retry).await, Err(Unavailable::DiskFull));
    assert_eq!(queued(handle), 3, "two were never taken, and one is retried by itself");
    assert_eq!(handle.reader().job(id(2)).await.unwrap().unwrap().status(), Status::Cancelled);
    assert!(handle.ready().await);
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_without_room_takes_no_entries_and_follows_again_when_it_has_some() {
    let mut cluster = Cluster::started(3).await;
    put(cluster.at(0), 0).await;
    cluster.converged().await;
    let full = cluster.follower().await;
    cluster.stop(full).await;
    cluster.tune(full, |config| config.reserve = Some(NOTHING));
    cluster.start(full).await;
    eventually("it has recovered", async || cluster.at(full).caught_up()).await;
    let other = cluster.up().into_iter().find(|at| *at != full).unwrap();
    for number in 1..20 {
        put(cluster.at(other), number).await;
    }
    // It lives, answers what it has, and sends those away who want to write through it, at once.
    assert!(cluster.at(full).alive().await);
    let member =
        |members: Vec<quorate_node::Member>| members.into_iter().find(|m| m.name == format!("n{}", full + 1));
    let seen = member(cluster.at(other).cluster().await.members).unwrap();
    assert!(seen.reachable);
    // Asked with a command that changes nothing: what comes before the leader has sent it an entry is carried out.
    let touch = || Command::Touch { id: job(99).id, progress: None };
    eventually("it refuses entries", async || {
        cluster.at(full).submit(touch(), Duration::from_secs(5)).await == Err(Unavailable::NotApplied)
    })
    .await;
    assert_eq!(cluster.at(full).submit(enqueue(99), LONG).await, Err(Unavailable::NotApplied));
    let why = cluster.at(full).unready().await;
    assert!(matches!(why, Some(Unready::Behind(_))), "{why:?}");
    assert_eq!(queued(cluster.at(full)), 1);
    let new = NewJob { payload: Bytes::from(vec![0; 1 << 20]), ..job(50) };
    submit(cluster.at(other), Command::Enqueue { jobs: vec![new], key: None }).await.unwrap();

    cluster.stop(full).await;
    cluster.tune(full, |config| config.reserve = Some(Reserve::NONE));
    cluster.start(full).await;
    cluster.converged().await;
    assert_eq!(queued(cluster.at(full)), 21);
    put(cluster.at(full), 99).await;
    cluster.stop_all().await;
}
