//! Nodes that come back without their data, or late, or as somebody else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use crate::common::*;
use openraft::storage::{RaftLogStorage, RaftLogStorageExt};
use openraft::vote::leader_id_std::CommittedLeaderId;
use openraft::{EntryPayload, RaftLogReader};
use quorate_node::{Done, Lost, Order, OrderError, Refused, StartError, Unready, Why};
use quorate_store::{DataDir, Entry, LogId, LogStore, Membership, Node};

async fn put_some(cluster: &Cluster, numbers: std::ops::Range<u64>) {
    for number in numbers {
        put(cluster.at(cluster.up()[0]), number).await;
    }
}

/// The node's id, by its name, as the node at `at` has it.
async fn id_of(cluster: &Cluster, at: usize, name: &str) -> u64 {
    let voters = cluster.voters(at).await;
    voters.into_iter().find(|(voter, _)| voter == name).unwrap().1
}

fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Waits until the node at `at` has taken the place of the voter with the id `before`, under its name.
async fn replaced(cluster: &Cluster, at: usize, before: u64) {
    let name = cluster.config(at).name.clone();
    eventually("the newcomer has taken the old one's place", async || {
        let leader = cluster.leader().await;
        let voters = cluster.voters(leader).await;
        voters.len() == 3
            && voters.iter().any(|(voter, id)| *voter == name && *id != before)
            && voters.iter().all(|(_, id)| *id != before)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wiped_node_takes_its_own_place_as_a_new_one() {
    let mut cluster = Cluster::started(3).await;
    put_some(&cluster, 0..30).await;
    let lost = cluster.follower().await;
    let name = cluster.config(lost).name.clone();
    let before = id_of(&cluster, lost, &name).await;
    cluster.stop(lost).await;
    std::fs::remove_dir_all(cluster.dir(lost)).unwrap();

    cluster.start(lost).await;
    replaced(&cluster, lost, before).await;
    cluster.at(lost).barrier(LONG).await.unwrap();
    assert_eq!(queued(cluster.at(lost)), 30);
    // It counts: with it and one other there is a majority.
    let other = cluster.follower().await;
    let other = if other == lost { cluster.leader().await } else { other };
    cluster.crash(other).await;
    put(cluster.at(lost), 30).await;
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_log_was_lost_sets_it_aside_and_joins_anew() {
    let mut cluster = Cluster::started(3).await;
    put_some(&cluster, 0..10).await;
    let lost = cluster.follower().await;
    let before = id_of(&cluster, lost, &cluster.config(lost).name).await;
    cluster.stop(lost).await;
    std::fs::remove_dir_all(cluster.dir(lost).join("raft")).unwrap();

    cluster.start(lost).await;
    replaced(&cluster, lost, before).await;
    cluster.at(lost).barrier(LONG).await.unwrap();
    assert_eq!(queued(cluster.at(lost)), 10);
    assert!(cluster.dir(lost).join("set-aside-1").exists());
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lone_node_whose_log_was_lost_does_not_start() {
    let mut cluster = Cluster::started(1).await;
    put_some(&cluster, 0..10).await;
    cluster.stop(0).await;
    std::fs::remove_dir_all(cluster.dir(0).join("raft")).unwrap();
    let refused = quorate_node::Node::start(cluster.config(0).clone()).await.err().unwrap();
    assert!(matches!(refused, StartError::LostAlone { lost: Lost::Entries, .. }), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lone_node_that_has_lost_no_more_than_its_vote_says_so() {
    let mut cluster = Cluster::started(1).await;
    put_some(&cluster, 0..10).await;
    cluster.stop(0).await;
    // Whoever has an entry of a term has voted in it.
    go_on(&cluster.dir(0), |last| LogId { leader_id: CommittedLeaderId::new(9), ..last }, 1).await;
    let refused = quorate_node::Node::start(cluster.config(0).clone()).await.err().unwrap();
    assert!(matches!(refused, StartError::LostAlone { lost: Lost::Vote, .. }), "{refused}");
    assert!(refused.to_string().contains("and no entry"), "{refused}");
}

/// Its list is of when it was alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_has_lost_its_log_and_is_told_of_nobody_is_told_whom_to_name() {
    let mut cluster = Cluster::of_first(1, 3).await;
    for at in [1, 2] {
        cluster.start(at).await;
        let add = Order::Add { name: cluster.config(at).name.clone(), peer_addr: None, replaces: None };
        eventually("it is asked for", async || cluster.order(0, add.clone()).await.is_ok()).await;
        eventually("it votes", async || {
            cluster.at(at).ready().await && cluster.voters(0).await.len() == at + 1
        })
        .await;
    }
    put_some(&cluster, 0..10).await;
    let before = id_of(&cluster, 0, "n1").await;
    cluster.converged().await;
    cluster.stop(0).await;
    std::fs::remove_dir_all(cluster.dir(0).join("raft")).unwrap();
    let refused = quorate_node::Node::start(cluster.config(0).clone()).await.err().unwrap().to_string();
    let peers = cluster.config(2).peers.clone();
    let list: Vec<String> = peers.iter().map(|(name, addr)| format!("{name}={addr}")).collect();
    assert!(refused.starts_with("peers: ") && list.iter().all(|peer| refused.contains(peer)), "{refused}");

    cluster.configure(0, |config| config.peers = peers);
    cluster.start(0).await;
    replaced(&cluster, 0, before).await;
    cluster.stop_all().await;
}

/// Others stand in its list, and none of them is a member any more.
#[tokio::test(flavor = "multi_thread")]
async fn the_only_voter_whose_log_was_lost_does_not_start_whoever_is_in_its_list() {
    let mut cluster = Cluster::started(3).await;
    put_some(&cluster, 0..10).await;
    for name in ["n2", "n3"] {
        let remove = Order::Remove { name: name.into(), force: true };
        eventually("it is removed", async || cluster.order(0, remove.clone()).await.is_ok()).await;
    }
    eventually("it is alone", async || cluster.voter_names(0).await == ["n1"]).await;
    for at in 0..3 {
        cluster.stop(at).await;
    }
    std::fs::remove_dir_all(cluster.dir(0).join("raft")).unwrap();
    let refused = quorate_node::Node::start(cluster.config(0).clone()).await.err().unwrap();
    assert!(matches!(refused, StartError::LostAlone { lost: Lost::Entries, .. }), "{refused}");
    assert!(!cluster.dir(0).join("set-aside-1").exists(), "it is as it was found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_replaced_meanwhile_knows_it() {
    let mut cluster = Cluster::started(3).await;
    put_some(&cluster, 0..5).await;
    let old = cluster.follower().await;
    let before = id_of(&cluster, old, &cluster.config(old).name).await;
    cluster.stop(old).await;
    let kept = cluster.root().join("kept");
    copy_dir(&cluster.dir(old), &kept);
    std::fs::remove_dir_all(cluster.dir(old)).unwrap();
    cluster.start(old).await;
    replaced(&cluster, old, before).await;

    // Somebody brings the old directory back.
    cluster.stop(old).await;
    std::fs::remove_dir_all(cluster.dir(old)).unwrap();
    std::fs::rename(&kept, cluster.dir(old)).unwrap();
    cluster.start(old).await;
    eventually("it knows that it was removed", async || cluster.at(old).gauges().removed).await;
    assert!(!cluster.at(old).ready().await);
    cluster.stop_all().await;
}

/// Has the log of a node that does not run go on behind an entry as it would in the term of another one, by so many that change nothing.
async fn go_on(dir: &Path, from: impl Fn(LogId) -> LogId, entries: u64) {
    let dir = DataDir::open(dir).unwrap();
    let mut log = LogStore::open(&dir, Arc::new(|error| panic!("{error}"))).unwrap();
    let from = from(log.get_log_state().await.unwrap().last_log_id.unwrap());
    let kept = log.get_log_reader().await.try_get_log_entries(from.index..=from.index).await.unwrap();
    log.truncate_after(Some(kept[0].log_id)).await.unwrap();
    let blank =
        |behind| Entry { log_id: LogId { index: from.index + behind, ..from }, payload: EntryPayload::Blank };
    log.blocking_append((1..=entries).map(blank)).await.unwrap();
    log.close().unwrap();
}

/// Killed while what a leader had appended that had lost was cut off, and what the next one had committed was applied: the log has the
/// former, and the table the latter.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_log_goes_on_otherwise_than_its_table_starts_and_catches_up() {
    let mut cluster = Cluster::started(3).await;
    put_some(&cluster, 0..3).await;
    cluster.converged().await;
    let killed = cluster.follower().await;
    let before = cluster.at(killed).gauges();
    // In the next term. By one that stays.
    let leads = (0..3).find(|at| *at != killed && !cluster.at(*at).gauges().leads).unwrap();
    let transfer = Order::Transfer { to: Some(cluster.config(leads).name.clone()) };
    assert!(cluster.order(leads, transfer).await.unwrap().changed);
    put(cluster.at(leads), 3).await;
    cluster.converged().await;
    let after = cluster.at(killed).gauges();
    assert!(after.term > before.term);
    cluster.stop(killed).await;
    // Beyond what it has applied.
    let old = LogId { leader_id: CommittedLeaderId::new(before.term), index: before.last_log_index };
    go_on(&cluster.dir(killed), |_| old, after.applied_index - old.index + 2).await;
    put(cluster.at(leads), 4).await;
    cluster.start(killed).await;
    eventually("it is ready", async || cluster.at(killed).ready().await).await;
    assert_eq!(queued(cluster.at(killed)), 5);
    cluster.stop_all().await;
}

/// Appends an entry to the log of a node that does not run, as a leader would have that died right after it.
async fn append(dir: &Path, membership: &Membership) {
    let dir = DataDir::open(dir).unwrap();
    let mut log = LogStore::open(&dir, Arc::new(|error| panic!("{error}"))).unwrap();
    let last = log.get_log_state().await.unwrap().last_log_id.unwrap();
    let log_id = LogId { index: last.index + 1, ..last };
    log.blocking_append([Entry { log_id, payload: EntryPayload::Membership(membership.clone()) }])
        .await
        .unwrap();
    log.close().unwrap();
}

/// The newcomer died, and the leader that was about to replace a voter by it, between the two halves of the change. An
/// earlier newcomer is gone as well. Nobody knows log time any more: neither of the dead is needed for it to start.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_was_interrupted_is_ended_though_nobody_asks() {
    let mut cluster = Cluster::started(3).await;
    put_some(&cluster, 0..5).await;
    cluster.converged().await;
    let members = cluster.at(0).cluster().await.members;
    for at in 0..3 {
        cluster.stop(at).await;
    }
    let node = |name: &str, peer_addr: &str| Node {
        name: name.to_owned(),
        peer_addr: peer_addr.to_owned(),
        http_addr: String::new(),
        replaces: None,
    };
    let known = members.iter().map(|member| (member.id, node(&member.name, &member.peer_addr)));
    let mut nodes: BTreeMap<u64, Node> = known.collect();
    let (newcomer, vanished) = (4_711, 4_712);
    nodes.insert(newcomer, node("n3", "127.0.0.1:1"));
    nodes.insert(vanished, node("n4", "127.0.0.1:2"));
    let before: BTreeSet<u64> = members.iter().map(|member| member.id).collect();
    let mut after = before.clone();
    after.remove(&members[2].id);
    after.insert(newcomer);
    let joint = Membership::new(vec![before, after.clone()], nodes).unwrap();
    for at in 0..2 {
        append(&cluster.dir(at), &joint).await;
        cluster.hands(at).boot();
    }

    cluster.start(0).await;
    cluster.start(1).await;
    eventually("the change is ended", async || {
        let voters = cluster.voters(0).await;
        voters.len() == 3 && voters.iter().all(|(_, id)| after.contains(id))
    })
    .await;
    put_some(&cluster, 5..10).await;
    cluster.stop_all().await;
}

fn refused(answer: Result<Done, OrderError>) -> Why {
    match answer {
        Err(OrderError::Refused(Refused { why, .. })) => why,
        other => panic!("not refused: {other:?}"),
    }
}

async fn waits_for(cluster: &Cluster, at: usize, what: &str) {
    eventually(what, async || {
        matches!(cluster.at(at).unready().await, Some(Unready::Applies(for_what)) if for_what.contains(what))
    })
    .await;
}

/// n4 was to come in the place of n3, and is gone, with its data; so is n3. There is another n2, too, that is gone before it voted.
#[tokio::test(flavor = "multi_thread")]
async fn a_voters_place_is_given_once() {
    let mut cluster = Cluster::of_first(3, 5).await;
    put_some(&cluster, 0..5).await;
    cluster.converged().await;
    let members = cluster.at(0).cluster().await.members;
    for at in 0..3 {
        cluster.stop(at).await;
    }
    let node = |name: &str, peer_addr: &str| Node {
        name: name.to_owned(),
        peer_addr: peer_addr.to_owned(),
        http_addr: String::new(),
        replaces: None,
    };
    let known = members.iter().map(|member| (member.id, node(&member.name, &member.peer_addr)));
    let mut nodes: BTreeMap<u64, Node> = known.collect();
    let (successor, other_n2) = (4_711, 4_712);
    let addr = cluster.config(3).peers[3].1.clone();
    nodes.insert(successor, Node { replaces: Some(members[2].id), ..node("n4", &addr) });
    nodes.insert(other_n2, node("n2", "127.0.0.1:1"));
    let voters: BTreeSet<u64> = members.iter().map(|member| member.id).collect();
    let membership = Membership::new(vec![voters], nodes).unwrap();
    for at in 0..2 {
        append(&cluster.dir(at), &membership).await;
    }
    cluster.start(0).await;
    cluster.start(1).await;
    eventually("they go on", async || cluster.at(0).ready().await).await;

    // Of two that bear the name, one is meant.
    let remove = |name: &str| Order::Remove { name: name.to_owned(), force: true };
    assert_eq!(refused(cluster.order(0, remove("n2")).await), Why::Unfit);
    assert!(cluster.order(0, remove(&other_n2.to_string())).await.unwrap().changed);
    assert!(!cluster.order(0, remove(&other_n2.to_string())).await.unwrap().changed, "it is gone");
    assert_eq!(cluster.voter_names(0).await, ["n1", "n2", "n3"]);

    let replace = Order::Add { name: "n5".into(), peer_addr: None, replaces: Some("n3".into()) };
    assert_eq!(refused(cluster.order(0, replace).await), Why::Unfit);
    std::fs::remove_dir_all(cluster.dir(2)).unwrap();
    cluster.start(2).await;
    waits_for(&cluster, 2, "another one, n4, takes the place").await;
    assert_eq!(cluster.at(0).cluster().await.members.len(), 4);

    // An empty n4 comes in the place of the one that is gone.
    cluster.start(3).await;
    eventually("it votes in the place of n3", async || cluster.voter_names(0).await == ["n1", "n2", "n4"])
        .await;
    waits_for(&cluster, 2, "quorate cluster member add n3").await;
    assert_eq!(cluster.at(0).cluster().await.members.len(), 3);
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_far_behind_gets_a_snapshot() {
    let mut cluster = Cluster::tuned(3, |config| {
        config.snapshot_every = 20;
        config.logs_kept = 5;
    });
    cluster.start_all().await;
    put_some(&cluster, 0..5).await;
    let late = cluster.follower().await;
    cluster.stop(late).await;
    let missed = cluster.at(cluster.leader().await).gauges().last_log_index;
    put_some(&cluster, 5..100).await;
    let granted = jobs(submit(cluster.at(cluster.leader().await), consume(7)).await.unwrap());
    assert_eq!(granted.len(), 7);
    let leader = cluster.leader().await;
    eventually("the leader has purged what the other lacks", async || {
        cluster.at(leader).gauges().first_log_index > missed + 1
    })
    .await;

    cluster.start(late).await;
    eventually("it is ready", async || cluster.at(late).ready().await).await;
    cluster.at(late).barrier(LONG).await.unwrap();
    assert_eq!(queued(cluster.at(late)), 93);
    assert!(cluster.at(late).gauges().snapshot_index > missed);
    put(cluster.at(late), 100).await;
    // What it got is on its disk.
    cluster.stop(late).await;
    cluster.start(late).await;
    eventually("it is ready again", async || cluster.at(late).ready().await).await;
    cluster.at(late).barrier(LONG).await.unwrap();
    assert_eq!(queued(cluster.at(late)), 94);
    cluster.stop_all().await;
}
