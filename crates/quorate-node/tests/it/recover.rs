//! The loss of the majority for good: who is heard before, and what becomes of those who waited.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::panic::AssertUnwindSafe;

use crate::common::*;
use futures::FutureExt;
use nix::fcntl::OFlag;
use quorate_node::{Answering, Node, Order, Recovery, StartError, Unready};
use quorate_proto::peer::v1 as pb;
use quorate_proto::peer::v1::discovery_client::DiscoveryClient;
use quorate_store::DataDir;
use tonic::Code;

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_came_while_the_node_was_away_is_heard_and_one_that_was_removed_is_none() {
    let mut cluster = Cluster::of_first(3, 4).await;
    cluster.stop(0).await;
    cluster.start(3).await;
    let replace = Order::Add { name: "n4".into(), peer_addr: None, replaces: Some("n3".into()) };
    eventually("n4 comes in the place of n3", async || cluster.order(1, replace.clone()).await.is_ok()).await;
    eventually("n3 knows it", async || cluster.at(2).unready().await == Some(Unready::Removed)).await;
    cluster.crash(1).await;

    let recovery = Recovery::of(&cluster.dir(0)).unwrap();
    assert_eq!(recovery.who_answers(&[], None).await, [], "n3 has no vote any more");
    let newcomer = cluster.config(3).peers[3].clone();
    let answering = recovery.who_answers(std::slice::from_ref(&newcomer), None).await;
    let (name, addr) = newcomer;
    assert_eq!(answering, [Answering::Newcomer { name, addr }]);
    drop(recovery);
    cluster.stop_all().await;
}

/// It is the last copy that there is.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_removed_leads_once_it_is_recovered() {
    let mut cluster = Cluster::started(3).await;
    put(cluster.at(0), 1).await;
    cluster.converged().await;
    cluster.stop(2).await;
    let remove = Order::Remove { name: "n3".into(), force: true };
    eventually("n3 is removed", async || cluster.order(0, remove.clone()).await.is_ok()).await;
    cluster.start(2).await;
    eventually("n3 knows it", async || cluster.at(2).unready().await == Some(Unready::Removed)).await;
    for at in 0..3 {
        cluster.crash(at).await;
    }
    eventually("the directory is free", async || Recovery::of(&cluster.dir(2)).is_ok()).await;
    let recovery = Recovery::of(&cluster.dir(2)).unwrap();
    assert!(recovery.found().removed);
    recovery.force_single().unwrap();
    cluster.start(2).await;
    eventually("it leads", async || cluster.at(2).ready().await).await;
    assert_eq!(queued(cluster.at(2)), 1);
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_waited_while_its_cluster_was_recovered_joins_what_that_became() {
    let mut cluster = Cluster::of_first(3, 4).await;
    cluster.start(3).await;
    applies(&cluster, 3).await;
    for at in 0..3 {
        cluster.crash(at).await;
    }
    eventually("the directory is free", async || Recovery::of(&cluster.dir(0)).is_ok()).await;
    let new = Recovery::of(&cluster.dir(0)).unwrap().force_single().unwrap().cluster_id;
    cluster.start(0).await;
    let add = Order::Add { name: "n4".into(), peer_addr: None, replaces: None };
    eventually("it is asked for", async || cluster.order(0, add.clone()).await.is_ok()).await;
    eventually("it votes", async || cluster.voter_names(3).await == ["n1", "n4"]).await;
    assert_eq!(cluster.at(3).cluster().await.id, new);
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_belongs_to_a_cluster_that_is_gone_says_what_to_do() {
    let mut cluster = Cluster::of_first(1, 2).await;
    DataDir::open(&cluster.dir(1)).unwrap().adopt_cluster("gone", &[]).unwrap();
    cluster.start(1).await;
    waits_for(&cluster, 1, "its data directory to be wiped: it belongs to the cluster gone").await;
    cluster.stop_all().await;
}

/// It may wait for its disk, or read a long log: who looks whether a majority is lost must not take it for gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_starting_is_there() {
    let cluster = Cluster::new(1);
    let config = cluster.config(0).clone();
    let addr = config.peers[0].1.clone();
    // Whoever reads it waits until somebody writes.
    std::fs::create_dir(&config.data_dir).unwrap();
    let format = config.data_dir.join("FORMAT");
    assert!(std::process::Command::new("mkfifo").arg(&format).status().unwrap().success());
    let starting = tokio::spawn(Node::start(config));
    let answers = eventually("it answers", async || {
        let Ok(mut peer) = DiscoveryClient::connect(format!("http://{addr}")).await else { return false };
        let said = peer.discover(pb::DiscoverRequest::default()).await.unwrap_err();
        assert_eq!(said.code(), Code::Unavailable, "{said}");
        said.message().contains("it is starting")
    });
    let answered = AssertUnwindSafe(answers).catch_unwind().await;
    // Whatever came of it, it waits no more.
    let mut reader = None;
    let mut open = std::fs::OpenOptions::new();
    open.write(true).custom_flags(OFlag::O_NONBLOCK.bits());
    eventually("it reads", async || {
        reader = open.open(&format).ok();
        reader.is_some()
    })
    .await;
    reader.unwrap().write_all(b"of something else").unwrap();
    answered.unwrap();
    let refused = starting.await.unwrap().err().unwrap();
    assert!(matches!(refused, StartError::Store(_)), "{refused}");
    std::net::TcpListener::bind(addr).unwrap();
}
