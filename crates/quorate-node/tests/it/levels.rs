//! Members whose programs are of different versions.

use crate::common::*;
use quorate_core::FeatureLevel;
use quorate_proto::log::v1::Member;
use quorate_proto::peer::v1 as pb;
use quorate_proto::peer::v1::peer_client::PeerClient;

/// Three nodes whose programs understand these levels.
async fn of_levels(levels: [u32; 3]) -> Cluster {
    let mut cluster = Cluster::new(3);
    for (at, level) in levels.into_iter().enumerate() {
        cluster.configure(at, |config| config.feature_level = FeatureLevel(level));
    }
    cluster.start_all().await;
    cluster
}

async fn raised_to(cluster: &Cluster, level: u32) {
    for at in cluster.up() {
        eventually("the level is raised", async || {
            cluster.at(at).cluster().await.feature_level == FeatureLevel(level)
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_member_holds_the_level_until_it_is_upgraded() {
    let mut cluster = of_levels([3, 3, 2]).await;
    raised_to(&cluster, 2).await;
    let shown: Vec<_> =
        cluster.at(0).cluster().await.members.into_iter().map(|member| member.feature_level).collect();
    assert_eq!(shown, [3, 3, 2].map(|level| Some(FeatureLevel(level))));

    cluster.stop(2).await;
    put(cluster.at(0), 1).await;
    cluster.configure(2, |config| config.feature_level = FeatureLevel(3));
    cluster.start(2).await;
    raised_to(&cluster, 3).await;
    put(cluster.at(2), 2).await;
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_older_than_the_cluster_is_refused_by_name() {
    let mut cluster = of_levels([2, 2, 2]).await;
    raised_to(&cluster, 2).await;
    // On data of a higher level it does not start.
    cluster.stop(2).await;
    let mut older = cluster.config(2).clone();
    older.feature_level = FeatureLevel(1);
    let refused = quorate_node::Node::start(older).await.err().unwrap().to_string();
    assert!(refused.contains("feature level is 2, and this version understands 1"), "{refused}");
    assert!(refused.contains("start this node with that version, or a newer one"), "{refused}");

    // As a newcomer it does not become a member.
    let leader = cluster.leader().await;
    let seen = cluster.at(leader).cluster().await;
    let leading = seen.members.iter().find(|member| member.role.as_str() == "leader").unwrap();
    let mut peer = PeerClient::connect(format!("http://{}", leading.peer_addr)).await.unwrap();
    let peer_addr = "127.0.0.1:1".to_owned();
    let member = Member { node_id: 4_711, name: "n4".to_owned(), peer_addr, ..Member::default() };
    let join = pb::JoinRequest { member: Some(member), feature_level: 1 };
    let request = call(join, &seen.id, 4_711, leading.id);
    let answer = peer.join(request).await.unwrap().into_inner();
    assert!(!answer.voter);
    assert!(answer.message.contains("feature level is 2"), "{}", answer.message);
    assert_eq!(cluster.at(leader).cluster().await.members.len(), 3);

    // A new directory is of no level yet.
    std::fs::remove_dir_all(cluster.dir(2)).unwrap();
    cluster.start(2).await;
    eventually("it is ready", async || cluster.at(2).ready().await).await;
    assert_eq!(cluster.at(2).reader().level(), FeatureLevel(2));
    cluster.stop_all().await;
}
