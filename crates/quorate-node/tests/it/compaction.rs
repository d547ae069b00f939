//! The log stays short, by bytes.

use crate::common::*;
use bytes::Bytes;
use quorate_core::{Command, IdempotencyKey, NewJob};
use quorate_node::{Handle, Order, Reserve, Standing, Unready};

/// What a log may have, in bytes: some jobs, and far less than a hundred thousand entries.
const LOG_BYTES: u64 = 4 << 20;
const PAYLOAD: usize = 256 << 10;

fn large(number: u64) -> Command {
    let payload = Bytes::from(vec![number as u8; PAYLOAD]);
    Command::Enqueue { jobs: vec![NewJob { payload, ..job(number) }], key: None }
}

/// The entries that a node's log has.
fn entries(handle: &Handle) -> u64 {
    let gauges = handle.gauges();
    gauges.last_log_index + 1 - gauges.first_log_index
}

async fn log_is_short(handle: &Handle) {
    let bound = LOG_BYTES / PAYLOAD as u64;
    eventually("the log is short", async || entries(handle) <= bound).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_bounded_by_bytes_on_every_node() {
    let mut cluster = Cluster::tuned(3, |config| config.log_bytes = LOG_BYTES);
    cluster.start_all().await;
    for number in 0..64 {
        submit(cluster.at(number as usize % 3), large(number)).await.unwrap();
    }
    for at in 0..3 {
        log_is_short(cluster.at(at)).await;
    }
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_that_is_gone_does_not_hold_the_log_and_gets_a_snapshot() {
    let mut cluster = Cluster::tuned(3, |config| config.log_bytes = LOG_BYTES);
    cluster.start_all().await;
    put(cluster.at(0), 1_000).await;
    let gone = cluster.follower().await;
    cluster.crash(gone).await;
    let leader = cluster.leader().await;
    for number in 0..64 {
        submit(cluster.at(leader), large(number)).await.unwrap();
    }
    let key = IdempotencyKey { key: "k".into(), body_hash: [0; 32] };
    submit(cluster.at(leader), Command::Enqueue { jobs: vec![job(64)], key: Some(key) }).await.unwrap();
    for number in 65..80 {
        submit(cluster.at(leader), large(number)).await.unwrap();
    }
    log_is_short(cluster.at(leader)).await;
    cluster.start(gone).await;
    // It waits before it has got anything.
    tokio::time::timeout(LONG, cluster.at(gone).key_spent("k")).await.unwrap().unwrap();
    eventually("it is back", async || cluster.at(gone).ready().await).await;
    assert_eq!(queued(cluster.at(gone)), 81);
    assert!(cluster.at(gone).gauges().first_log_index > 10, "it got a snapshot");
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_without_room_for_a_snapshot_says_so_until_there_is_some() {
    let mut cluster = Cluster::tuned(3, |config| config.log_bytes = LOG_BYTES);
    cluster.start_all().await;
    let gone = cluster.follower().await;
    cluster.crash(gone).await;
    let leader = cluster.leader().await;
    for number in 0..64 {
        submit(cluster.at(leader), large(number)).await.unwrap();
    }
    log_is_short(cluster.at(leader)).await;
    cluster.tune(gone, |config| config.reserve = Some(Reserve { floor: u64::MAX, ..Reserve::NONE }));
    cluster.start(gone).await;
    eventually("it says so", async || {
        let why = cluster.at(gone).unready().await.map(|why| why.to_string());
        why.is_some_and(|why| why.contains("it refuses a snapshot: this node's disk has no room for it"))
    })
    .await;
    eventually("the others say so", async || {
        let warnings = cluster.at(leader).cluster().await.warnings;
        warnings.iter().any(|warning| warning.kind() == "no_room_for_snapshot")
    })
    .await;
    cluster.stop(gone).await;
    cluster.tune(gone, |config| config.reserve = Some(Reserve::NONE));
    cluster.start(gone).await;
    eventually("it is back", async || cluster.at(gone).ready().await).await;
    cluster.stop_all().await;
}

/// It may wait long for its snapshot, and nobody needs to ask for it any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_that_was_taken_in_says_why_it_has_no_snapshot_yet() {
    let mut cluster = Cluster::tuned(2, |config| config.log_bytes = LOG_BYTES);
    cluster.configure(0, |config| config.peers.truncate(1));
    cluster.start(0).await;
    eventually("it leads", async || cluster.at(0).ready().await).await;
    for number in 0..64 {
        submit(cluster.at(0), large(number)).await.unwrap();
    }
    log_is_short(cluster.at(0)).await;
    cluster.start(1).await;
    applies(&cluster, 1).await;
    assert_eq!(cluster.at(1).cluster().await.standing, Standing::Applicant);
    // No directory can be made there.
    let dir = cluster.dir(1).join("snapshot");
    std::fs::remove_dir_all(&dir).unwrap();
    std::fs::write(&dir, b"").unwrap();
    let add = Order::Add { name: "n2".into(), peer_addr: None, replaces: None };
    assert!(cluster.order(0, add).await.unwrap().changed);
    eventually("it says what it refuses", async || match cluster.at(1).unready().await {
        Some(Unready::Applies(for_what)) => for_what.contains("it refuses a snapshot"),
        _ => false,
    })
    .await;
    eventually("it applies no more", async || cluster.at(1).cluster().await.standing == Standing::Forming)
        .await;
    std::fs::remove_file(&dir).unwrap();
    std::fs::create_dir(&dir).unwrap();
    eventually("it is ready", async || cluster.at(1).ready().await).await;
    cluster.stop_all().await;
}
