//! A follower that does as a test says, in the place of one that has ended.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use futures::Stream;
use prost::Message;
use quorate_node::{Member, Role};
use quorate_proto::log::v1 as log;
use quorate_proto::peer::v1 as pb;
use quorate_proto::peer::v1::discovery_server::{Discovery, DiscoveryServer};
use quorate_proto::peer::v1::peer_server::{Peer, PeerServer};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, Streaming};

use super::{Cluster, LONG};

/// Which of the frames that it gets a follower answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    All,
    /// It follows another leader.
    None,
    /// The same, but what it had answered before, entries, is only under way.
    Entries,
}

/// What a follower has seen since it follows another leader.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// Entries.
    pub entries: bool,
    /// After them, on the same stream, that they are committed.
    pub commit: bool,
    /// How often it was asked whom it follows; before that, too.
    pub questions: u32,
}

/// A follower that does as the test says. It keeps no log: it has what it is sent.
#[derive(Clone)]
pub struct Follower {
    member: Member,
    answers: Arc<watch::Sender<Answers>>,
    seen: Arc<watch::Sender<Seen>>,
    lie: Arc<watch::Sender<(Option<pb::append_result::Result>, u32)>>,
    vote: Arc<watch::Sender<log::Vote>>,
    successors: Arc<watch::Sender<Vec<u64>>>,
    when_drained: Arc<OnceLock<Box<dyn Fn() + Send + Sync>>>,
    silent: Arc<AtomicBool>,
    yields: Arc<AtomicBool>,
    applied: Arc<AtomicU64>,
}

impl Follower {
    /// At the address of this member, which has ended.
    pub async fn serve(member: &Member) -> Follower {
        let follower = Follower {
            member: member.clone(),
            answers: Arc::new(watch::Sender::new(Answers::All)),
            seen: Arc::default(),
            lie: Arc::default(),
            vote: Arc::default(),
            successors: Arc::default(),
            when_drained: Arc::default(),
            silent: Arc::default(),
            yields: Arc::default(),
            applied: Arc::default(),
        };
        let listener = TcpListener::bind(&member.peer_addr).await.unwrap();
        let server = Server::builder()
            .add_service(PeerServer::new(follower.clone()))
            .add_service(DiscoveryServer::new(follower.clone()));
        tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
        follower
    }

    /// In the place of all that follow this leader: they end without a word.
    pub async fn in_the_place_of_all(cluster: &mut Cluster, leader: usize) -> Vec<Follower> {
        let members = cluster.at(leader).cluster().await.members;
        for at in cluster.up().into_iter().filter(|at| *at != leader) {
            cluster.crash(at).await;
        }
        let mut followers = Vec::new();
        for member in members.into_iter().filter(|member| member.role != Role::Leader) {
            followers.push(Follower::serve(&member).await);
        }
        followers
    }

    pub fn answer(&self, answers: Answers) {
        self.answers.send_replace(answers);
    }

    /// What it answers to all frames from now on.
    pub fn lie(&self, lie: Option<pb::append_result::Result>) {
        self.lie.send_replace((lie, 0));
    }

    /// How often it has answered so.
    pub fn lies(&self) -> u32 {
        self.lie.borrow().1
    }

    /// The leader that it follows, or has followed.
    pub fn followed(&self) -> log::Vote {
        *self.vote.borrow()
    }

    /// Whom the leader wanted to be its successor, one after the other. It takes no leadership over.
    pub fn successors(&self) -> Vec<u64> {
        self.successors.borrow().clone()
    }

    pub fn name(&self) -> &str {
        &self.member.name
    }

    /// What is done when it is asked to leave, before it answers.
    pub fn when_drained(&self, then: impl Fn() + Send + Sync + 'static) {
        assert!(self.when_drained.set(Box::new(then)).is_ok());
    }

    /// It does not say any more who it is.
    pub fn fall_silent(&self) {
        self.silent.store(true, Ordering::Relaxed);
    }

    /// It says that it is about to be removed, and gives the leadership away.
    pub fn yield_leadership(&self) {
        self.yields.store(true, Ordering::Relaxed);
    }

    /// It says that it has applied so much; else nothing.
    pub fn applies(&self, index: u64) {
        self.applied.store(index, Ordering::Relaxed);
    }

    fn deposed(&self) -> bool {
        *self.answers.borrow() != Answers::All
    }

    pub fn seen(&self) -> Seen {
        *self.seen.borrow()
    }

    pub async fn sees(&self, what: impl Fn(&Seen) -> bool) {
        let mut seen = self.seen.subscribe();
        tokio::time::timeout(LONG, seen.wait_for(what)).await.unwrap().unwrap();
    }
}

type Results<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;
type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Discovery for Follower {
    async fn discover(&self, _request: Request<pb::DiscoverRequest>) -> Answer<pb::DiscoverResponse> {
        if self.silent.load(Ordering::Relaxed) {
            return Err(Status::unavailable("it is silent"));
        }
        let (name, node_id) = (self.member.name.clone(), self.member.id);
        let answer = pb::DiscoverResponse {
            name,
            node_id,
            initialised: true,
            feature_level: 1,
            disk_state: pb::DiskState::Room.into(),
            applied_index: self.applied.load(Ordering::Relaxed),
            yields: self.yields.load(Ordering::Relaxed),
            ..Default::default()
        };
        Ok(Response::new(answer))
    }
}

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
                let last = frame.entries.last();
                let last = last.and_then(|entry| log::Entry::decode(entry.clone()).unwrap().log_id);
                let matched = pb::Matched { log_id: last.or(frame.prev_log_id) };
                let mut result = pb::append_result::Result::Matched(matched);
                follower.lie.send_modify(|(lie, times)| {
                    result = lie.unwrap_or(result);
                    *times += u32::from(lie.is_some());
                });
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
        Ok(Response::new(pb::VoteResponse {
            vote,
            granted: !self.deposed(),
            last_log_id: None,
            wall_ms: 0,
            log_time: None,
        }))
    }

    async fn pre_vote(&self, request: Request<pb::VoteRequest>) -> Answer<pb::VoteResponse> {
        self.vote(request).await
    }

    async fn current_vote(
        &self,
        _request: Request<pb::CurrentVoteRequest>,
    ) -> Answer<pb::CurrentVoteResponse> {
        self.seen.send_modify(|seen| seen.questions += 1);
        let mut vote = self.followed();
        if self.deposed() {
            vote = log::Vote { term: vote.term + 1, node_id: self.member.id, committed: true };
        }
        Ok(Response::new(pb::CurrentVoteResponse { vote: Some(vote) }))
    }

    async fn transfer_leader(
        &self,
        request: Request<pb::TransferLeaderRequest>,
    ) -> Answer<pb::TransferLeaderResponse> {
        self.successors.send_modify(|successors| successors.push(request.into_inner().to_node_id));
        Ok(Response::new(pb::TransferLeaderResponse { refused: None }))
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

    async fn order(&self, _request: Request<pb::OrderRequest>) -> Answer<pb::OrderResponse> {
        Err(Status::unimplemented("a follower of a test"))
    }

    async fn drain(&self, _request: Request<pb::DrainRequest>) -> Answer<pb::DrainResponse> {
        if let Some(then) = self.when_drained.get() {
            then();
            return Ok(Response::new(pb::DrainResponse { leads: false }));
        }
        Err(Status::unimplemented("a follower of a test"))
    }
}
