//! A leader whose followers answer late, and have another leader by then: what it knows is no answer to a linearizable
//! read.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use common::*;
use futures::Stream;
use quorate_node::{Role, SubmitError};
use quorate_proto::log::v1 as log;
use quorate_proto::peer::v1 as pb;
use quorate_proto::peer::v1::peer_server::{Peer, PeerServer};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, Streaming};

/// Which of the frames that it gets a follower answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answers {
    All,
    /// It follows another leader.
    None,
    /// The same, but what it had answered before, entries, is only under way.
    Entries,
}

/// What a follower has seen since it follows another leader.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// Entries.
    entries: bool,
    /// After them, on the same stream, that they are committed.
    commit: bool,
    /// The question whom it follows.
    question: bool,
}

/// A follower that does as the test says. It keeps no log: it has what it is sent.
#[derive(Clone)]
struct Follower {
    id: u64,
    answers: Arc<watch::Sender<Answers>>,
    seen: Arc<watch::Sender<Seen>>,
    vote: Arc<watch::Sender<log::Vote>>,
}

impl Follower {
    async fn serve(id: u64, addr: &str) -> Follower {
        let follower = Follower {
            id,
            answers: Arc::new(watch::Sender::new(Answers::All)),
            seen: Arc::default(),
            vote: Arc::default(),
        };
        let listener = TcpListener::bind(addr).await.unwrap();
        let server = Server::builder().add_service(PeerServer::new(follower.clone()));
        tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
        follower
    }

    fn answer(&self, answers: Answers) {
        self.answers.send_replace(answers);
    }

    fn deposed(&self) -> bool {
        *self.answers.borrow() != Answers::All
    }

    async fn sees(&self, what: impl Fn(&Seen) -> bool) {
        let mut seen = self.seen.subscribe();
        tokio::time::timeout(LONG, seen.wait_for(what)).await.unwrap().unwrap();
    }
}

type Results<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;
type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Peer for Follower {
    type AppendStream = Results<pb::AppendResult>;
    type ForwardStream = Results<pb::ForwardResult>;

    async fn append(&self, request: Request<Streaming<pb::AppendFrame>>) -> Answer<Self::AppendStream> {
        let mut frames = request.into_inner();
        let (results, answered) = mpsc::channel(64);
        let follower = self.clone();
        // Frames are taken while earlier ones are not answered.
        tokio::spawn(async move {
            let mut entries_before = false;
            while let Ok(Some(frame)) = frames.message().await {
                follower.vote.send_replace(frame.vote.unwrap());
                let entries = !frame.entries.is_empty();
                if follower.deposed() {
                    follower.seen.send_modify(|seen| {
                        seen.entries |= entries;
                        seen.commit |= entries_before && !entries;
                    });
                    entries_before |= entries;
                }
                let last = frame.entries.last().and_then(|entry| entry.log_id);
                let matched = pb::Matched { log_id: last.or(frame.prev_log_id) };
                let result = pb::append_result::Result::Matched(matched);
                if results.send((entries, pb::AppendResult { result: Some(result) })).await.is_err() {
                    return;
                }
            }
        });
        let answers = self.answers.clone();
        let results = ReceiverStream::new(answered).then(move |(entries, result)| {
            let mut answers = answers.subscribe();
            async move {
                let now = |answers: &Answers| match answers {
                    Answers::All => true,
                    Answers::None => false,
                    Answers::Entries => entries,
                };
                answers.wait_for(now).await.unwrap();
                Ok(result)
            }
        });
        Ok(Response::new(Box::pin(results)))
    }

    async fn vote(&self, request: Request<pb::VoteRequest>) -> Answer<pb::VoteResponse> {
        let vote = request.into_inner().vote;
        Ok(Response::new(pb::VoteResponse { vote, granted: !self.deposed(), last_log_id: None, wall_ms: 0 }))
    }

    async fn pre_vote(&self, request: Request<pb::VoteRequest>) -> Answer<pb::VoteResponse> {
        self.vote(request).await
    }

    async fn current_vote(
        &self,
        _request: Request<pb::CurrentVoteRequest>,
    ) -> Answer<pb::CurrentVoteResponse> {
        let mut vote = *self.vote.borrow();
        if self.deposed() {
            self.seen.send_modify(|seen| seen.question = true);
            vote = log::Vote { term: vote.term + 1, node_id: self.id, committed: true };
        }
        Ok(Response::new(pb::CurrentVoteResponse { vote: Some(vote) }))
    }

    async fn transfer_leader(
        &self,
        _request: Request<pb::TransferLeaderRequest>,
    ) -> Answer<pb::TransferLeaderResponse> {
        Err(Status::unimplemented("a follower of a test"))
    }

    async fn snapshot(
        &self,
        _request: Request<Streaming<pb::SnapshotFrame>>,
    ) -> Answer<pb::SnapshotResponse> {
        Err(Status::unimplemented("a follower of a test"))
    }

    async fn forward(&self, _request: Request<Streaming<pb::ForwardFrame>>) -> Answer<Self::ForwardStream> {
        Err(Status::unimplemented("a follower of a test"))
    }

    async fn read_index(&self, _request: Request<pb::ReadIndexRequest>) -> Answer<pb::ReadIndexResponse> {
        Err(Status::unimplemented("a follower of a test"))
    }

    async fn join(&self, _request: Request<pb::JoinRequest>) -> Answer<pb::JoinResponse> {
        Err(Status::unimplemented("a follower of a test"))
    }
}

/// openraft takes an answer to entries as one to every later frame that has no entries, since both name the same place
/// in the log. So its own ReadIndex lets a leader that was away believe answers from before it was away.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_from_before_the_read_confirms_no_leader() {
    let mut cluster = Cluster::started(3).await;
    let leader = cluster.leader().await;
    let members = cluster.at(leader).cluster().await.members;
    for at in cluster.up().into_iter().filter(|at| *at != leader) {
        cluster.crash(at).await;
    }
    let mut followers = Vec::new();
    for member in members.into_iter().filter(|member| member.role != Role::Leader) {
        followers.push(Follower::serve(member.id, &member.peer_addr).await);
    }
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
    // Now somebody asks for a linearizable read.
    let reader = handle.clone();
    let read = tokio::spawn(async move { reader.barrier(Duration::from_secs(2)).await });
    first.sees(|seen| seen.question).await;
    // The first answer commits the job. The second arrives when its sender has been told of that.
    first.answer(Answers::Entries);
    second.sees(|seen| seen.commit).await;
    second.answer(Answers::Entries);
    write.await.unwrap();

    assert_eq!(read.await.unwrap(), Err(SubmitError::NotApplied));
    drop(handle);
    cluster.crash(leader).await;
}
