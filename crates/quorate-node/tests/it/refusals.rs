//! Commands that a node does not take.

use std::time::Duration;

use crate::common::*;
use quorate_core::{Command, JobId, Unavailable};

#[tokio::test(flavor = "multi_thread")]
async fn beyond_its_bounds_a_node_refuses_at_once() {
    let mut cluster = Cluster::started(3).await;
    let node = cluster.follower().await;
    // Log time must be known here: without it a request waits before it takes a place.
    put(cluster.at(node), 0).await;
    for at in 0..3 {
        if at != node {
            cluster.crash(at).await;
        }
    }
    // Nothing is answered any more, so what was taken stays.
    let requests: Vec<_> = (0..14_336)
        .map(|number| {
            let handle = cluster.at(node).clone();
            tokio::spawn(async move { handle.submit(enqueue(number), LONG).await })
        })
        .collect();
    eventually("no place is left for new jobs", async || {
        cluster.at(node).gauges().requests_waiting == 14_336
    })
    .await;
    assert_eq!(cluster.at(node).submit(enqueue(1), LONG).await, Err(Unavailable::Overloaded));
    // Those that run can be touched still.
    let touch = Command::Touch { id: JobId([7; 16]), progress: None };
    let touched = cluster.at(node).submit(touch, Duration::from_millis(10)).await;
    assert_ne!(touched, Err(Unavailable::Overloaded));

    for request in &requests {
        request.abort();
    }
    eventually("who gives up gives up the place", async || cluster.at(node).gauges().requests_waiting == 0)
        .await;
    let again = cluster.at(node).submit(enqueue(1), Duration::from_millis(10)).await;
    assert_ne!(again, Err(Unavailable::Overloaded));
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stops_takes_nothing_more_and_answers_what_it_took() {
    let mut cluster = Cluster::started(3).await;
    let node = cluster.follower().await;
    let handle = cluster.at(node).clone();
    let callers: Vec<_> = (0..8)
        .map(|caller| {
            let handle = handle.clone();
            tokio::spawn(async move {
                for number in 0.. {
                    match submit(&handle, enqueue(caller * 1_000_000 + number)).await {
                        Ok(_) => {}
                        Err(error) => return error,
                    }
                }
                unreachable!("it ends with the node")
            })
        })
        .collect();
    eventually("they are answered", async || queued(&handle) > 20).await;
    cluster.stop(node).await;
    for caller in callers {
        assert_eq!(caller.await.unwrap(), Unavailable::Stopping);
    }
    assert_eq!(submit(&handle, enqueue(99)).await, Err(Unavailable::Stopping));
    assert_eq!(handle.barrier(LONG).await, Err(Unavailable::Stopping));
    assert!(!handle.alive().await);
    drop(handle);
    cluster.stop_all().await;
}
