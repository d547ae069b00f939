//! Nodes that end and come back all the while, and what was acknowledged meanwhile. Run by hand:
//! `SOAK_SECONDS=600 cargo test -p quorate-node --test it soak -- --ignored --nocapture`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::common::*;
use quorate_core::{JobId, Unavailable};
use rand::seq::IndexedRandom;
use tokio::sync::watch;

/// Enqueues through one node, whichever incarnation of it runs, and keeps what was acknowledged.
async fn write(
    mut node: watch::Receiver<Option<quorate_node::Handle>>,
    next: Arc<AtomicU64>,
    done: Arc<AtomicBool>,
) -> Vec<JobId> {
    let mut acknowledged = Vec::new();
    while !done.load(Ordering::Relaxed) {
        let handle = node.borrow_and_update().clone();
        let Some(handle) = handle else {
            if node.changed().await.is_err() {
                break;
            }
            continue;
        };
        let number = next.fetch_add(1, Ordering::Relaxed);
        match handle.submit(enqueue(number), Duration::from_secs(5)).await {
            Ok(answered) => {
                assert!(answered.outcome.is_ok(), "{answered:?}");
                acknowledged.push(job(number).id);
            }
            Err(Unavailable::Stopping) => tokio::time::sleep(Duration::from_millis(5)).await,
            Err(Unavailable::NotApplied | Unavailable::Unknown) => {}
            Err(
                error @ (Unavailable::Overloaded
                | Unavailable::DiskFull
                | Unavailable::NotUnderstood
                | Unavailable::NotMember),
            ) => {
                panic!("{error}")
            }
        }
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "by hand only: it takes as long as it is told to"]
async fn what_was_acknowledged_is_never_lost() {
    let seconds = std::env::var("SOAK_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(60);
    let mut cluster = Cluster::tuned(3, |config| {
        config.snapshot_every = 200;
        config.logs_kept = 50;
    });
    cluster.start_all().await;
    let nodes: Vec<_> = (0..3).map(|at| watch::Sender::new(Some(cluster.at(at).clone()))).collect();
    let (next, done) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let writers: Vec<_> = (0..9)
        .map(|at| tokio::spawn(write(nodes[at % 3].subscribe(), Arc::clone(&next), Arc::clone(&done))))
        .collect();

    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(seconds) {
        let at = *[0, 1, 2].choose(&mut rand::rng()).unwrap();
        let what = *["crash", "stop", "wipe"].choose(&mut rand::rng()).unwrap();
        println!("{:?}: {what} {} of {} written", begun.elapsed(), at + 1, next.load(Ordering::Relaxed));
        nodes[at].send_replace(None);
        let before = cluster.voters(at).await;
        match what {
            "stop" => cluster.stop(at).await,
            _ => cluster.crash(at).await,
        }
        if what == "wipe" {
            // A snapshot that is just being built may still write into it.
            eventually("it is wiped", async || std::fs::remove_dir_all(cluster.dir(at)).is_ok()).await;
        }
        let outage = rand::random_range(0..3_000);
        tokio::time::sleep(Duration::from_millis(outage)).await;
        cluster.start(at).await;
        nodes[at].send_replace(Some(cluster.at(at).clone()));
        eventually("it is ready", async || cluster.at(at).ready().await).await;
        if what == "wipe" {
            let old = before.iter().find(|(name, _)| *name == cluster.config(at).name).unwrap().1;
            eventually("it has its place", async || {
                let voters = cluster.voters(at).await;
                voters.len() == 3 && voters.iter().all(|(_, id)| *id != old)
            })
            .await;
        }
    }
    done.store(true, Ordering::Relaxed);
    let mut acknowledged = Vec::new();
    for writer in writers {
        acknowledged.extend(writer.await.unwrap());
    }
    cluster.converged().await;
    println!("{} acknowledged of {}", acknowledged.len(), next.load(Ordering::Relaxed));
    for at in 0..3 {
        for id in &acknowledged {
            let stored = cluster.at(at).reader().job(*id).await.unwrap();
            assert!(stored.is_some(), "{id} is lost at node {}", at + 1);
        }
    }
    drop(nodes);
    cluster.stop_all().await;
}
