//! The loss of the majority for good: who is heard before, and what becomes of those who waited.

use crate::common::*;
use quorate_node::{Answering, Order, Recovery, Unready};

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
