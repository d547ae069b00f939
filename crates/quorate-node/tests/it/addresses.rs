//! Nodes that are started again with the same data under other addresses or names.

use crate::common::*;
use quorate_node::NodeConfig;

/// Gives a node that does not run another peer and HTTP address, as its own configuration has it.
fn move_node(cluster: &mut Cluster, at: usize, addr: &str) {
    cluster.configure(at, |config| {
        config.peers[at].1 = addr.to_owned();
        config.peer_listen = addr.to_owned();
        config.http_addr = format!("http-{addr}");
    });
}

/// The whole list changes at every node.
fn move_all(cluster: &mut Cluster, peers: &[(String, String)]) {
    for at in 0..peers.len() {
        cluster.configure(at, |config| {
            config.name = peers[at].0.clone();
            config.peers = peers.to_vec();
            config.peer_listen = peers[at].1.clone();
            config.http_addr = format!("http-{}", peers[at].1);
        });
    }
}

/// Waits until every node that runs shows each member under the name and at the addresses that it is configured with.
async fn all_show_where_they_are(cluster: &Cluster) {
    let size = cluster.size();
    for at in cluster.up() {
        eventually("the members are shown where they are", async || {
            let members = cluster.at(at).cluster().await.members;
            let shown = |config: &NodeConfig, own: &str| {
                members.iter().any(|member| {
                    member.name == config.name
                        && member.peer_addr == own
                        && member.http_addr == config.http_addr
                })
            };
            members.len() == size
                && (0..size).all(|at| shown(cluster.config(at), &cluster.config(at).peers[at].1))
        })
        .await;
    }
}

async fn put_some(cluster: &Cluster, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let up = cluster.up();
        put(cluster.at(up[number as usize % up.len()]), number).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_node_moves_whether_it_leads_or_not() {
    let mut cluster = Cluster::started(3).await;
    put_some(&cluster, 0..5).await;
    for (round, leads) in [(0, false), (1, true)] {
        let moved = if leads { cluster.leader().await } else { cluster.follower().await };
        cluster.stop(moved).await;
        let addr = free_addrs(1).remove(0);
        move_node(&mut cluster, moved, &addr);
        cluster.start(moved).await;
        all_show_where_they_are(&cluster).await;
        eventually("it is ready", async || cluster.at(moved).ready().await).await;
        // A majority needs it.
        let other = cluster.up().into_iter().find(|at| *at != moved).unwrap();
        cluster.crash(other).await;
        put_some(&cluster, 5 + round * 5..10 + round * 5).await;
        cluster.start(other).await;
    }
    cluster.stop_all().await;
}

/// The others are not configured anew, and one of them is dead: it needs the one that has moved, and has more of the log,
/// so it must find it and cannot wait for it to be elected.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_has_moved_is_found_without_a_leader() {
    let mut cluster = Cluster::started(3).await;
    put_some(&cluster, 0..5).await;
    let moved = cluster.follower().await;
    cluster.stop(moved).await;
    put_some(&cluster, 5..10).await;
    cluster.converged().await;
    let [dead, alive] = cluster.up()[..] else { panic!("two of three are left") };
    cluster.crash(dead).await;
    cluster.crash(alive).await;
    let addr = free_addrs(1).remove(0);
    move_node(&mut cluster, moved, &addr);
    cluster.start(alive).await;
    cluster.start(moved).await;
    put_some(&cluster, 10..15).await;
    all_show_where_they_are(&cluster).await;
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_move_at_once() {
    let mut cluster = Cluster::started(3).await;
    put_some(&cluster, 0..5).await;
    let old: Vec<(String, String)> = cluster.config(0).peers.clone();
    let names = || old.iter().map(|(name, _)| name.clone());
    let turned = old.iter().cycle().skip(1).map(|(_, addr)| addr.clone());
    let moves: Vec<Vec<(String, String)>> = vec![
        // To where nobody was,
        names().zip(free_addrs(3)).collect(),
        // each to where another one was,
        names().zip(turned).collect(),
        // and to where they were, under other names.
        ["a", "b", "c"]
            .map(str::to_owned)
            .into_iter()
            .zip(old.iter().map(|(_, addr)| addr.clone()))
            .collect(),
    ];
    for (round, peers) in moves.iter().enumerate() {
        for at in 0..3 {
            cluster.stop(at).await;
        }
        move_all(&mut cluster, peers);
        cluster.start_all().await;
        all_show_where_they_are(&cluster).await;
        put_some(&cluster, round as u64 * 10 + 10..round as u64 * 10 + 20).await;
    }
    for at in 0..3 {
        cluster.at(at).barrier(LONG).await.unwrap();
        assert_eq!(queued(cluster.at(at)), 35);
    }
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_node_that_is_not_there_any_more_hinders_nobody() {
    let mut cluster = Cluster::started(3).await;
    put_some(&cluster, 0..5).await;
    for at in 0..3 {
        cluster.stop(at).await;
    }
    let addrs = free_addrs(4);
    for at in 0..3 {
        move_node(&mut cluster, at, &addrs[at]);
        cluster.configure(at, |config| {
            for (peer, addr) in config.peers.iter_mut().zip(&addrs) {
                peer.1.clone_from(addr);
            }
            config.peers.insert(0, ("n0".to_owned(), addrs[3].clone()));
        });
    }
    for at in 0..3 {
        cluster.start(at).await;
    }
    put_some(&cluster, 5..10).await;
    cluster.stop_all().await;
}

/// Its name is another's: it keeps its own, until that one is called otherwise.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_another_member_bears_is_not_taken_over() {
    let mut cluster = Cluster::started(3).await;
    let moved = cluster.follower().await;
    let other = cluster.leader().await;
    cluster.stop(moved).await;
    let (own, name) = (cluster.config(moved).name.clone(), cluster.config(other).name.clone());
    let addr = free_addrs(1).remove(0);
    cluster.configure(moved, |config| {
        config.peer_listen.clone_from(&addr);
        config.peers = vec![(name.clone(), addr.clone()), (own.clone(), config.peers[other].1.clone())];
        config.name = name;
    });
    cluster.start(moved).await;
    eventually("its address is taken over", async || {
        let members = cluster.at(other).cluster().await.members;
        members.len() == 3 && members.iter().any(|member| member.name == own && member.peer_addr == addr)
    })
    .await;
    eventually("it is ready", async || cluster.at(moved).ready().await).await;

    cluster.stop(other).await;
    cluster.configure(other, |config| {
        config.name = "new".to_owned();
        config.peers[other].0 = "new".to_owned();
    });
    cluster.start(other).await;
    eventually("its name is taken over, though it was not started again", async || {
        let members = cluster.at(moved).cluster().await.members;
        let name = &cluster.config(moved).name;
        members.len() == 3 && members.iter().any(|member| member.name == *name && member.peer_addr == addr)
    })
    .await;
    cluster.stop_all().await;
}
