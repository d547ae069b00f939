//! What a node makes of calls that no node of its cluster would make, or that come twice.

use crate::common::follower::{Answers, Follower};
use crate::common::intruder::open;
use crate::common::*;
use prost::Message;
use quorate_core::limits::COMMANDS_PER_ENTRY;
use quorate_core::{Envelope, RequestId, Timestamp};
use quorate_proto::log::v1 as log;
use quorate_proto::peer::v1 as pb;
use quorate_proto::peer::v1::forward_answer::Kind;
use quorate_proto::peer::v1::peer_client::PeerClient;
use tonic::transport::Channel;
use tonic::{Code, Request};

/// Somebody who calls the leader.
struct Caller {
    peer: PeerClient<Channel>,
    cluster_id: String,
    from: u64,
    to: u64,
}

impl Caller {
    /// As another member.
    async fn new(cluster: &Cluster) -> Caller {
        let leader = cluster.leader().await;
        let seen = cluster.at(leader).cluster().await;
        let member = |leads| seen.members.iter().find(|m| (m.role.as_str() == "leader") == leads).unwrap();
        let (to, from) = (member(true), member(false));
        let peer = PeerClient::connect(format!("http://{}", to.peer_addr)).await.unwrap();
        Caller { peer, cluster_id: seen.id.clone(), from: from.id, to: to.id }
    }

    fn request<T>(&self, message: T) -> Request<T> {
        call(message, &self.cluster_id, self.from, self.to)
    }

    async fn read_index(&mut self, vote: log::Vote) -> Result<u64, Code> {
        let request = self.request(pb::ReadIndexRequest { vote: Some(vote) });
        let answer = self.peer.read_index(request).await;
        answer.map(|answer| answer.into_inner().index).map_err(|status| status.code())
    }

    /// The answers, so many or up to the stream's end, and why it ended.
    async fn forward(&mut self, frames: Vec<pb::ForwardFrame>, answers: usize) -> (Vec<Kind>, Option<Code>) {
        // The stream stays open until the answers are there.
        let request = self.request(open(frames));
        let mut results = self.peer.forward(request).await.unwrap().into_inner();
        let mut kinds = Vec::new();
        while kinds.len() < answers {
            match results.message().await {
                Ok(Some(result)) => kinds.extend(result.answers.iter().map(pb::ForwardAnswer::kind)),
                Ok(None) => return (kinds, None),
                Err(status) => return (kinds, Some(status.code())),
            }
        }
        (kinds, None)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_not_meant_for_this_node_is_refused() {
    let cluster = Cluster::started(3).await;
    let mut caller = Caller::new(&cluster).await;
    assert!(caller.read_index(log::Vote::default()).await.unwrap() > 0);

    let cluster_id = std::mem::replace(&mut caller.cluster_id, "another".to_owned());
    assert_eq!(caller.read_index(log::Vote::default()).await, Err(Code::FailedPrecondition));
    caller.cluster_id = cluster_id;
    caller.to += 1;
    assert_eq!(caller.read_index(log::Vote::default()).await, Err(Code::FailedPrecondition));
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_that_asks_how_far_to_read_is_a_majority_of_three_with_the_leader() {
    let mut cluster = Cluster::started(3).await;
    let mut caller = Caller::new(&cluster).await;
    let leader = cluster.leader().await;
    let followers = Follower::in_the_place_of_all(&mut cluster, leader).await;
    put(cluster.at(leader), 1).await;
    // One of them may not have heard of it yet.
    let vote = followers.iter().map(Follower::followed).max_by_key(|vote| vote.term).unwrap();

    // Whoever is asked now says that it follows another leader: nobody needs to be.
    for follower in &followers {
        follower.answer(Answers::None);
    }
    let applied = cluster.at(leader).gauges().applied_index;
    assert!(caller.read_index(vote).await.unwrap() >= applied);
    // One that has voted for another leader is no part of a majority, nor is one that is no voter.
    let other = log::Vote { term: vote.term + 1, ..vote };
    assert_eq!(caller.read_index(other).await, Err(Code::Unavailable));
    caller.from += 1;
    assert_eq!(caller.read_index(vote).await, Err(Code::Unavailable));
    cluster.crash(leader).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vote_from_another_cluster_deposes_nobody() {
    let cluster = Cluster::started(3).await;
    let term = cluster.at(0).gauges().term;
    let mut caller = Caller::new(&cluster).await;
    caller.cluster_id = "another".to_owned();
    let vote = log::Vote { term: term + 100, node_id: caller.from, committed: false };
    let message = pb::VoteRequest { vote: Some(vote), last_log_id: None, leadership_transfer: true };
    let request = caller.request(message);
    let refused = caller.peer.vote(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    put(cluster.at(0), 1).await;
    assert_eq!(cluster.at(0).gauges().term, term);
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_is_proposed_twice_takes_effect_once() {
    let cluster = Cluster::started(3).await;
    put(cluster.at(0), 1).await;
    put(cluster.at(0), 2).await;
    let deadline = Timestamp(cluster.at(0).reader().clock().0 + 30_000);
    let envelope = Envelope { request_id: RequestId([5; 16]), deadline, command: consume(1) };
    let bytes = bytes::Bytes::from(log::Envelope::from(envelope).encode_to_vec());
    let twice = pb::ForwardFrame { envelopes: vec![bytes.clone(), bytes.clone()], parents: Vec::new() };
    let again = pb::ForwardFrame { envelopes: vec![bytes], parents: Vec::new() };

    let mut caller = Caller::new(&cluster).await;
    assert_eq!(caller.forward(vec![twice, again], 3).await.0, [Kind::Appended; 3]);
    cluster.converged().await;
    assert_eq!(queued(cluster.at(0)), 1, "one job was granted, once");
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_forwards_over_one_stream_at_a_time() {
    let cluster = Cluster::started(3).await;
    let mut caller = Caller::new(&cluster).await;
    let nothing = || open(vec![pb::ForwardFrame::default()]);
    let request = caller.request(nothing());
    let mut first = caller.peer.forward(request).await.unwrap().into_inner();
    let request = caller.request(nothing());
    let _second = caller.peer.forward(request).await.unwrap();
    let ended = tokio::time::timeout(LONG, first.message()).await.expect("it goes on");
    assert_eq!(ended.unwrap_err().code(), Code::Aborted);
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_command_does_not_get_into_the_log() {
    let cluster = Cluster::started(3).await;
    put(cluster.at(0), 0).await;
    cluster.converged().await;
    let end = cluster.at(0).gauges().last_log_index;
    let mut caller = Caller::new(&cluster).await;
    let deadline = Timestamp(cluster.at(0).reader().clock().0 + 30_000);
    let envelope = Envelope { request_id: RequestId([5; 16]), deadline, command: enqueue(1) };
    let command = log::Envelope::from(envelope).encode_to_vec();
    let frame = |envelopes: &[&[u8]]| pb::ForwardFrame {
        envelopes: envelopes.iter().map(|bytes| bytes::Bytes::copy_from_slice(bytes)).collect(),
        parents: Vec::new(),
    };
    // What nobody understands; what a newer version added a field to; more than an entry holds. Each ends its stream, and nothing behind it
    // is looked at.
    let newer = [command.as_slice(), &[0xf8, 0x3f, 1]].concat();
    let many = vec![command.as_slice(); COMMANDS_PER_ENTRY + 1];
    for (frames, answers) in [
        (vec![frame(&[b"\xff\xff\xff", &command])], vec![]),
        (vec![frame(&[&newer, &command]), frame(&[&command])], vec![Kind::NotUnderstood]),
        (vec![frame(&many)], vec![]),
    ] {
        assert_eq!(caller.forward(frames, usize::MAX).await, (answers, Some(Code::InvalidArgument)));
    }
    assert_eq!(caller.forward(vec![frame(&[&command])], 1).await.0, [Kind::Appended]);
    cluster.converged().await;
    assert_eq!(cluster.at(0).gauges().last_log_index, end + 1);
    assert_eq!(queued(cluster.at(0)), 2);
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_joins_under_the_name_of_a_member_that_answers() {
    let cluster = Cluster::started(3).await;
    let mut caller = Caller::new(&cluster).await;
    caller.from = 4_711;
    let member = log::Member {
        node_id: 4_711,
        name: "n2".to_owned(),
        peer_addr: "127.0.0.1:1".to_owned(),
        http_addr: "127.0.0.1:1".to_owned(),
        replaces: 0,
    };
    let request = caller.request(pb::JoinRequest { member: Some(member), feature_level: 1 });
    let answer = caller.peer.join(request).await.unwrap().into_inner();
    assert!(!answer.voter);
    assert!(answer.message.contains("the member that bears its name, n2"), "{}", answer.message);
    assert_eq!(cluster.at(0).cluster().await.members.len(), 3);
    cluster.stop_all().await;
}
