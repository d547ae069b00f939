//! A leader that gives its place to another one.

use crate::common::follower::Follower;
use crate::common::*;
use quorate_node::{Member, Role};

/// The followers by their ids, the lowest first, when all have the same log.
async fn followers(cluster: &Cluster) -> Vec<Member> {
    let leader = cluster.leader().await;
    put(cluster.at(leader), 1).await;
    cluster.converged().await;
    let mut members = cluster.at(leader).cluster().await.members;
    members.retain(|member| member.role == Role::Follower);
    members.sort_by_key(|member| member.id);
    members
}

#[tokio::test(flavor = "multi_thread")]
async fn the_leadership_goes_to_a_voter_that_has_the_log() {
    let cluster = Cluster::started(3).await;
    let leader = cluster.leader().await;
    assert!(cluster.hand_over(leader).await);
    assert_ne!(cluster.leader().await, leader);
    assert!(cluster.hand_over(leader).await, "it does not lead any more");
    put(cluster.at(leader), 1).await;
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_dead_voter_is_made_the_successor() {
    for dead in [0, 1] {
        let mut cluster = Cluster::started(3).await;
        let members = followers(&cluster).await;
        for member in &members {
            cluster.crash(cluster.with_id(member.id).await).await;
        }
        let living = Follower::serve(&members[1 - dead]).await;
        let leader = cluster.up()[0];
        eventually("it follows", async || cluster.at(leader).ready().await).await;
        assert!(!cluster.hand_over(leader).await, "it does not take over");
        assert_eq!(living.successors(), [members[1 - dead].id]);
        cluster.crash(leader).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_does_not_take_over_is_not_the_last_one() {
    for idle in [0, 1] {
        let mut cluster = Cluster::started(3).await;
        let leader = cluster.leader().await;
        let members = followers(&cluster).await;
        let idle = &members[idle];
        cluster.crash(cluster.with_id(idle.id).await).await;
        let _idle = Follower::serve(idle).await;
        eventually("it follows", async || cluster.at(leader).ready().await).await;
        assert!(cluster.hand_over(leader).await);
        assert!(!cluster.at(leader).gauges().leads);
        cluster.stop_all().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_alone_has_nobody_to_hand_over_to() {
    let cluster = Cluster::started(1).await;
    assert!(!cluster.hand_over(0).await);
    put(cluster.at(0), 1).await;
    cluster.stop_all().await;
}
