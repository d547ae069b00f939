//! A cluster of one node.

use std::path::{Path, PathBuf};

use crate::common::*;
use futures::FutureExt;
use quorate_core::{Refusal, Status, Take};

#[tokio::test(flavor = "multi_thread")]
async fn it_makes_a_cluster_of_its_own_and_answers() {
    let cluster = Cluster::started(1).await;
    let node = cluster.at(0);
    let enqueued = put(node, 1).await;
    assert_eq!(node.reader().job(job(1).id).await.unwrap().unwrap().status(), Status::Queued);
    let granted = jobs(submit(node, consume(5)).await.unwrap());
    assert_eq!(granted.len(), 1);
    assert_eq!(granted[0].id, job(1).id);
    node.barrier(LONG).await.unwrap();

    let seen = node.cluster().await;
    assert_eq!((seen.quorum, seen.tolerates), (1, 0));
    assert_eq!(seen.leader.as_deref(), Some("n1"));
    assert_eq!(seen.members.len(), 1);
    assert!(seen.members[0].applied_index.unwrap() >= enqueued.position.index);
    assert!(node.alive().await);
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_an_answer() {
    let cluster = Cluster::started(1).await;
    put(cluster.at(0), 1).await;
    let again = submit(cluster.at(0), enqueue(1)).await.unwrap();
    assert_eq!(again.outcome, Err(Refusal::IdTaken));
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_drained_says_at_once_that_there_is_nobody_else() {
    let cluster = Cluster::started(1).await;
    let drained = cluster.at(0).drain("n1", false).now_or_never().expect("it waits for nobody").unwrap();
    assert!(drained.changed && drained.message.contains("there is no other voter"), "{drained:?}");
    put(cluster.at(0), 1).await;
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_acknowledged_is_there_after_a_restart() {
    let mut cluster = Cluster::started(1).await;
    for number in 0..20 {
        put(cluster.at(0), number).await;
    }
    cluster.stop(0).await;
    cluster.start_all().await;
    let node = cluster.at(0);
    node.barrier(LONG).await.unwrap();
    assert_eq!(queued(node), 20);
    assert_eq!(jobs(submit(node, consume(100)).await.unwrap()).len(), 20);
    cluster.stop_all().await;
}

/// A leader applies what the others have committed before its own log has written it, and may be killed just then.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_table_is_ahead_of_its_log_starts_and_goes_on() {
    let mut cluster = Cluster::tuned(1, |config| config.snapshot_every = 4);
    cluster.start_all().await;
    for number in 0..8 {
        put(cluster.at(0), number).await;
    }
    eventually("there is a snapshot", async || cluster.at(0).gauges().snapshot_index > 0).await;
    cluster.stop(0).await;
    let log = [cluster.dir(0).join("raft"), cluster.dir(0).join("high-water")];
    let before = cluster.root().join("before");
    std::fs::create_dir(&before).unwrap();
    copy(&log, &before);

    cluster.configure(0, |config| config.snapshot_every = 100_000);
    cluster.start_all().await;
    for number in 8..16 {
        put(cluster.at(0), number).await;
    }
    cluster.stop(0).await;
    copy(&log.map(|of| before.join(of.file_name().unwrap())), &cluster.dir(0));

    cluster.start_all().await;
    put(cluster.at(0), 16).await;
    assert_eq!(queued(cluster.at(0)), 17);
    cluster.stop_all().await;
}

/// Puts files, and directories of files, in the place of those of the same names.
fn copy(from: &[PathBuf], to: &Path) {
    for from in from {
        let to = to.join(from.file_name().unwrap());
        if from.is_file() {
            std::fs::copy(from, to).unwrap();
            continue;
        }
        let _ = std::fs::remove_dir_all(&to);
        std::fs::create_dir(&to).unwrap();
        for file in std::fs::read_dir(from).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_ends_without_a_job_is_the_next_ones() {
    let mut cluster = Cluster::started(1).await;
    {
        let (node, take) = (cluster.at(0), Take::default_queue(1));
        let mut waiting = [(); 3].map(|()| Box::pin(node.queued_turn(&take)));
        assert!(waiting.iter_mut().all(|waits| waits.now_or_never().is_none()));
        let [first, second, mut third] = waiting;
        put(node, 1).await;
        let turn = tokio::time::timeout(LONG, first).await.unwrap();
        drop(turn);
        let turn = tokio::time::timeout(LONG, second).await.unwrap();
        assert_eq!(jobs(submit(node, consume(1)).await.unwrap()).len(), 1);
        drop(turn);
        assert!((&mut third).now_or_never().is_none(), "nothing is queued");
        put(node, 2).await;
        drop(tokio::time::timeout(LONG, third).await.unwrap());
    }
    cluster.stop(0).await;
    cluster.start_all().await;
    tokio::time::timeout(LONG, cluster.at(0).queued_turn(&Take::default_queue(1))).await.unwrap();
    cluster.stop_all().await;
}
