//! A cluster of three nodes.

use std::time::Duration;

use crate::common::*;
use quorate_core::{Command, IdempotencyKey, JobId, Status, Take, Unavailable};
use quorate_node::Role;

#[tokio::test(flavor = "multi_thread")]
async fn the_listed_nodes_make_one_cluster() {
    let cluster = Cluster::started(3).await;
    let leader = cluster.leader().await;
    let seen = cluster.at(leader).cluster().await;
    assert_eq!((seen.quorum, seen.tolerates), (2, 1));
    assert_eq!(seen.members.iter().map(|m| m.name.as_str()).collect::<Vec<_>>(), ["n1", "n2", "n3"]);
    assert!(seen.members.iter().all(|member| member.reachable && member.clock_offset_ms.is_some()));
    assert_eq!(seen.members.iter().filter(|member| member.role == Role::Leader).count(), 1);
    for at in 0..3 {
        let other = cluster.at(at).cluster().await;
        assert_eq!(other.id, seen.id);
        assert_eq!(other.leader, seen.leader);
        assert_eq!(other.node, format!("n{}", at + 1));
    }
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_node_takes_commands() {
    let cluster = Cluster::started(3).await;
    for at in 0..3 {
        put(cluster.at(at), at as u64).await;
        // The node that answers has applied it.
        let stored = cluster.at(at).reader().job(job(at as u64).id).await.unwrap();
        assert_eq!(stored.map(|job| job.status()), Some(Status::Queued));
    }
    cluster.converged().await;
    for at in 0..3 {
        assert_eq!(queued(cluster.at(at)), 3);
    }
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_commands_share_log_entries_and_each_takes_effect_once() {
    let cluster = Cluster::started(3).await;
    let before = cluster.at(0).gauges().last_log_index;
    let requests = (0..600).map(|number| {
        let handle = cluster.at(number as usize % 3).clone();
        tokio::spawn(async move { put(&handle, number).await })
    });
    let answers = futures::future::join_all(requests).await;
    let mut positions: Vec<_> = answers.into_iter().map(|answer| answer.unwrap().position).collect();
    positions.sort();
    positions.dedup();
    assert_eq!(positions.len(), 600);
    cluster.converged().await;
    assert_eq!(queued(cluster.at(0)), 600);
    let entries = cluster.at(0).gauges().last_log_index - before;
    assert!(entries < 600, "{entries} entries");
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_barrier_sees_what_another_node_acknowledged() {
    let cluster = Cluster::started(3).await;
    for number in 0..30 {
        let (writer, reader) = (number as usize % 3, (number as usize + 1) % 3);
        put(cluster.at(writer), number).await;
        cluster.at(reader).barrier(LONG).await.unwrap();
        assert!(cluster.at(reader).reader().job(job(number).id).await.unwrap().is_some());
    }
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_spent_at_one_node_is_told_at_every_node() {
    let cluster = Cluster::started(3).await;
    for number in 0..20 {
        let text = format!("key {number}");
        let told = [0, 1, 2].map(|at| {
            let (handle, text) = (cluster.at(at).clone(), text.clone());
            tokio::spawn(async move { handle.key_spent(&text).await })
        });
        let key = Some(IdempotencyKey { key: text.into(), body_hash: [0; 32] });
        let at = cluster.at(number as usize % 3);
        submit(at, Command::Consume { take: Take::default_queue(1), key: key.clone() }).await.unwrap();
        put(at, number).await;
        assert!(told.iter().all(|told| !told.is_finished()), "a consume that finds nothing spends no key");
        submit(at, Command::Consume { take: Take::default_queue(1), key }).await.unwrap();
        for told in told {
            tokio::time::timeout(LONG, told).await.unwrap().unwrap().unwrap();
        }
    }
    cluster.stop_all().await;
}

/// Commands are under way at a follower while the leader ends.
async fn only_latency(cluster: &mut Cluster, end: impl AsyncFnOnce(&mut Cluster, usize)) {
    let leader = cluster.leader().await;
    let survivor = cluster.follower().await;
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let handle = cluster.at(survivor).clone();
            tokio::spawn(async move {
                for number in 0..100 {
                    put(&handle, writer * 100 + number).await;
                }
            })
        })
        .collect();
    eventually("commands are under way", async || queued(cluster.at(survivor)) > 20).await;
    end(cluster, leader).await;
    for writer in writers {
        writer.await.unwrap();
    }
    assert_ne!(cluster.leader().await, leader);

    cluster.start(leader).await;
    eventually("it is back", async || cluster.at(leader).ready().await).await;
    cluster.at(leader).barrier(LONG).await.unwrap();
    assert_eq!(queued(cluster.at(leader)), 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_stops_is_only_latency() {
    let mut cluster = Cluster::started(3).await;
    only_latency(&mut cluster, async |cluster, leader| cluster.stop(leader).await).await;
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_crashes_is_only_latency() {
    let mut cluster = Cluster::started(3).await;
    only_latency(&mut cluster, async |cluster, leader| cluster.crash(leader).await).await;
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_a_majority_is_not_ready() {
    for leader_stays in [true, false] {
        let mut cluster = Cluster::started(3).await;
        let (leader, follower) = (cluster.leader().await, cluster.follower().await);
        let stays = if leader_stays { leader } else { follower };
        let others: Vec<usize> = cluster.up().into_iter().filter(|at| *at != stays).collect();
        for other in &others {
            cluster.crash(*other).await;
        }
        assert!(!cluster.at(stays).ready().await);
        cluster.start(others[0]).await;
        eventually("it is ready again", async || cluster.at(stays).ready().await).await;
        cluster.stop_all().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_restart_and_nothing_is_lost() {
    let mut cluster = Cluster::started(3).await;
    for number in 0..50 {
        put(cluster.at(number as usize % 3), number).await;
    }
    let granted = jobs(submit(cluster.at(1), consume(10)).await.unwrap());
    assert_eq!(granted.len(), 10);
    for at in 0..3 {
        cluster.stop(at).await;
    }
    cluster.start_all().await;
    for at in 0..3 {
        cluster.at(at).barrier(LONG).await.unwrap();
        assert_eq!(queued(cluster.at(at)), 40);
        let job = cluster.at(at).reader().job(granted[0].id).await.unwrap().unwrap();
        assert_eq!(job.status(), Status::Running);
    }
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_majority_commands_end_in_time_and_it_recovers_by_itself() {
    let mut cluster = Cluster::started(3).await;
    put(cluster.at(0), 1).await;
    cluster.stop(1).await;
    cluster.stop(2).await;
    let short = Duration::from_millis(1_500);
    // Some may still be taken by a leader that does not know yet that it is alone.
    let mut refused = 1;
    eventually("it knows that it is alone", async || {
        refused += 1;
        match cluster.at(0).submit(enqueue(refused), short).await {
            Err(Unavailable::Unknown) => false,
            Err(Unavailable::NotApplied) => true,
            other => panic!("{other:?}"),
        }
    })
    .await;
    assert_eq!(cluster.at(0).barrier(short).await, Err(Unavailable::NotApplied));
    // A read of its own table goes on.
    assert!(cluster.at(0).reader().job(job(1).id).await.unwrap().is_some());

    cluster.start(1).await;
    put(cluster.at(0), 1_000).await;
    assert!(
        cluster.at(0).reader().job(job(refused).id).await.unwrap().is_none(),
        "it was said not to be applied"
    );
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_consumer_is_woken_by_a_job_from_another_node() {
    let cluster = Cluster::started(3).await;
    for (writer, waiter) in [(0, 1), (1, 2), (2, 0)] {
        let waiting = cluster.at(waiter).clone();
        let woken = tokio::spawn(async move {
            loop {
                let _turn = waiting.queued_turn(&Take::default_queue(1)).await;
                let granted = jobs(submit(&waiting, consume(1)).await.unwrap());
                if let Some(job) = granted.into_iter().next() {
                    return job.id;
                }
            }
        });
        put(cluster.at(writer), writer as u64).await;
        let granted: JobId = tokio::time::timeout(LONG, woken).await.unwrap().unwrap();
        assert_eq!(granted, job(writer as u64).id);
    }
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delayed_job_becomes_queued_without_any_command() {
    let cluster = Cluster::started(3).await;
    let mut delayed = job(1);
    delayed.delay = 1;
    let command = quorate_core::Command::Enqueue { jobs: vec![delayed], key: None };
    let enqueued = jobs(submit(cluster.at(0), command).await.unwrap());
    assert_eq!(enqueued[0].status(), Status::Delayed);
    for at in 0..3 {
        tokio::time::timeout(LONG, cluster.at(at).queued_turn(&Take::default_queue(1))).await.unwrap();
        assert_eq!(queued(cluster.at(at)), 1);
    }
    cluster.converged().await;
    let end = cluster.at(0).gauges().last_log_index;
    put(cluster.at(0), 2).await;
    assert_eq!(cluster.at(0).gauges().last_log_index, end + 1, "nothing is due, so nothing is proposed");
    cluster.stop_all().await;
}
