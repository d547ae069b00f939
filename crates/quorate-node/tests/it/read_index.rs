//! A leader whose followers answer late, and have another leader by then: what it knows is no answer to a linearizable
//! read.

use crate::common::follower::{Answers, Follower};
use crate::common::*;
use quorate_node::Role;
use std::time::Duration;

/// openraft takes an answer to entries as one to every later frame that has no entries, since both name the same place
/// in the log. So its own ReadIndex lets a leader that was away believe answers from before it was away.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_from_before_the_read_confirms_no_leader() {
    let mut cluster = Cluster::started(3).await;
    let leader = cluster.leader().await;
    let followers = Follower::in_the_place_of_all(&mut cluster, leader).await;
    let [first, second] = followers.as_slice() else { panic!("two of three follow") };
    let handle = cluster.at(leader).clone();
    put(&handle, 1).await;
    handle.barrier(LONG).await.unwrap();

    // Both have the job and say so; both answers are under way when the followers turn to another leader.
    first.answer(Answers::None);
    second.answer(Answers::None);
    let writer = handle.clone();
    let write = tokio::spawn(async move { put(&writer, 2).await });
    first.sees(|seen| seen.entries).await;
    second.sees(|seen| seen.entries).await;
    let asked = first.seen().questions;
    // Now somebody asks for a linearizable read.
    let reader = handle.clone();
    let read = tokio::spawn(async move { reader.barrier(10 * LONG).await });
    first.sees(|seen| seen.questions > asked).await;
    // The first answer commits the job. The second arrives when its sender has been told of that.
    first.answer(Answers::Entries);
    second.sees(|seen| seen.commit).await;
    second.answer(Answers::Entries);
    write.await.unwrap();

    // The question that was under way has come to nothing, and the next one too: it is asked again and again.
    let asked = first.seen().questions;
    first.sees(|seen| seen.questions > asked + 2).await;
    assert!(!read.is_finished(), "{:?}", read.await);
    read.abort();
    drop(handle);
    cluster.crash(leader).await;
}

/// It has to do with what time there is: a second question may find none left, of a node that is not behind.
#[tokio::test(flavor = "multi_thread")]
async fn who_asks_whether_a_node_is_ready_asks_a_majority_once() {
    let mut cluster = Cluster::started(3).await;
    let leader = cluster.leader().await;
    let members = cluster.at(leader).cluster().await.members;
    for at in cluster.up().into_iter().filter(|at| *at != leader) {
        cluster.crash(at).await;
    }
    // Without the third one each question comes here.
    let other = members.iter().find(|member| member.role != Role::Leader).unwrap();
    let follower = Follower::serve(other).await;
    let handle = cluster.at(leader).clone();
    put(&handle, 1).await;
    // One without an answer in time is asked again.
    eventually("it is asked once", async || {
        let before = follower.seen().questions;
        handle.ready().await && follower.seen().questions == before + 1
    })
    .await;
    drop(handle);
    cluster.crash(leader).await;
}

/// A majority says that it follows, but nothing gets into its logs.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_writes_are_not_answered_is_not_ready() {
    use quorate_proto::peer::v1::append_result::Result::Matched;
    let mut cluster = Cluster::started(3).await;
    let leader = cluster.leader().await;
    let followers = Follower::in_the_place_of_all(&mut cluster, leader).await;
    let handle = cluster.at(leader).clone();
    put(&handle, 1).await;
    assert!(handle.ready().await);

    let nothing = Matched(quorate_proto::peer::v1::Matched { log_id: None });
    followers.iter().for_each(|follower| follower.lie(Some(nothing)));
    let unanswered = handle.submit(enqueue(2), Duration::from_secs(1)).await;
    assert!(unanswered.is_err(), "{unanswered:?}");
    handle.barrier(LONG).await.expect("a majority follows");
    assert!(!handle.ready().await);

    followers.iter().for_each(|follower| follower.lie(None));
    eventually("writes are answered again", async || handle.ready().await).await;
    put(&handle, 3).await;
    drop(handle);
    cluster.crash(leader).await;
}
