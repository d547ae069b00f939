use std::io;
use std::pin::Pin;
use std::sync::Arc;

use futures::{Stream, StreamExt};
use quorate_proto::Malformed;
use quorate_proto::peer::v1 as pb;
use quorate_proto::peer::v1::discovery_server::{Discovery, DiscoveryServer};
use quorate_proto::peer::v1::peer_server::{Peer, PeerServer};
use quorate_store::{NodeId, ProtoForm, SnapshotStore, Vote};
use tokio::net::{TcpListener, TcpSocket};
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

use crate::cluster::order::message;
use crate::command::forwarded::Forwarded;
use crate::group::Group;
use crate::limits;
use crate::peer::connections::Connections;
use crate::peer::door::Door;
use crate::peer::frames::Frames;
use crate::peer::gate::{self, Gate};
use crate::peer::latest::Latest;
use crate::peer::sound::{Judge, Unsound};
use crate::peer::unfinished::{Bounded, Unfinished};
use crate::peer::{introduction, messages, snapshot};
use crate::process::Process;

type Results<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Answers the peers.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) process: Process,
    pub(crate) group: Group,
    /// Whose word is looked at before anything comes of it.
    pub(crate) judge: Judge,
    pub(crate) snapshots: SnapshotStore,
    /// Snapshots that are coming, and streams of commands.
    pub(crate) receiving: Latest,
    pub(crate) forwarding: Latest,
    /// Cancelled when this node hangs up.
    pub(crate) hang_up: CancellationToken,
}

/// Takes the address for peers; nobody is listened to yet.
///
/// # Errors
/// It is no address of this machine, or taken.
pub(crate) async fn bind(addr: &str) -> io::Result<TcpSocket> {
    let mut failed = io::Error::other("it names no address");
    for addr in tokio::net::lookup_host(addr).await? {
        let socket = if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // As every listener: connections of the last one may linger.
        socket.set_reuseaddr(true)?;
        match socket.bind(addr) {
            Ok(()) => return Ok(socket),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

/// Serves peers until the service hangs up.
pub(crate) async fn serve(service: Service, listener: Arc<TcpListener>) {
    let hang_up = service.hang_up.clone();
    let short = PeerServer::new(service.clone()).max_decoding_message_size(limits::SHORT_BYTES);
    let long = short.clone().max_decoding_message_size(limits::MESSAGE_BYTES);
    let unfinished = Unfinished::default();
    let bounded = |service| Bounded { service, unfinished: unfinished.clone(), caller: gate::caller };
    let peer = Gate {
        long: bounded(long),
        short: bounded(short.clone()),
        others: short,
        identity: service.process.identity.clone(),
        roster: service.process.transport.roster.clone(),
    };
    let discovery = DiscoveryServer::new(service.clone()).max_decoding_message_size(limits::SHORT_BYTES);
    let config = &service.process.config;
    let door = config.tls.as_ref().map(|tls| Door::new(tls, service.process.transport.roster.clone()));
    let incoming = Connections::new(config.peer_connections, door).incoming(listener);
    let server = Server::builder()
        .http2_keepalive_interval(Some(limits::KEEPALIVE))
        .http2_keepalive_timeout(Some(limits::KEEPALIVE_TIMEOUT))
        .initial_stream_window_size(Some(limits::STREAM_WINDOW))
        .initial_connection_window_size(Some(limits::CONNECTION_WINDOW))
        .max_concurrent_streams(Some(limits::STREAMS_PER_PEER))
        .add_service(peer)
        .add_service(discovery)
        .serve_with_incoming_shutdown(incoming, hang_up.clone().cancelled_owned());
    let stuck = async {
        hang_up.cancelled().await;
        tokio::time::sleep(limits::HANG_UP).await;
    };
    tokio::select! {
        served = server => if let Err(error) = served {
            tracing::error!(%error, "the peer server ended");
        },
        () = stuck => {}
    }
}

impl Service {
    /// Says so here, too.
    fn refuse(&self, from: NodeId, unsound: Unsound) -> Status {
        if self.judge.is_news(from, &unsound.to_string()) {
            tracing::error!(from, %unsound, "a peer's call is refused");
        }
        unsound.into()
    }

    /// The answers of a stream, until this node hangs up.
    fn results<T>(&self, stream: impl Stream<Item = Result<T, Status>> + Send + 'static) -> Results<T>
    where
        T: 'static,
    {
        Box::pin(stream.take_until(self.hang_up.clone().cancelled_owned()))
    }
}

#[tonic::async_trait]
impl Peer for Service {
    type AppendStream = Results<pb::AppendResult>;
    type ForwardStream = Results<pb::ForwardResult>;

    async fn append(
        &self,
        request: Request<Streaming<pb::AppendFrame>>,
    ) -> Result<Response<Self::AppendStream>, Status> {
        let from = gate::caller(request.extensions());
        let frames = Frames::new(from, self.judge.clone(), &self.process, request.into_inner());
        let (heard, refusal) = (frames.heard(), frames.refusal());
        let results = self.group.raft.stream_append(frames.accepted()).map(move |result| match result {
            Ok(result) => {
                heard.answered(&result);
                Ok(messages::append_result_message(&result))
            }
            Err(fatal) => Err(Status::unavailable(fatal.to_string())),
        });
        let refused = futures::stream::once(async move { refusal.take() });
        let results = results.chain(refused.filter_map(async |refused| refused.map(Err)));
        Ok(Response::new(self.results(results)))
    }

    async fn vote(&self, request: Request<pb::VoteRequest>) -> Result<Response<pb::VoteResponse>, Status> {
        let from = gate::caller(request.extensions());
        let request = messages::vote_request(request.into_inner()).map_err(malformed)?;
        self.judge.vote(from, &request).map_err(|unsound| self.refuse(from, unsound))?;
        let response = self.group.raft.vote(request).await.map_err(unavailable)?;
        Ok(Response::new(messages::vote_response_message(&response, &self.process.clock)))
    }

    async fn pre_vote(
        &self,
        request: Request<pb::VoteRequest>,
    ) -> Result<Response<pb::VoteResponse>, Status> {
        let from = gate::caller(request.extensions());
        let request = messages::vote_request(request.into_inner()).map_err(malformed)?;
        self.judge.vote(from, &request).map_err(|unsound| self.refuse(from, unsound))?;
        let response = self.group.raft.pre_vote(request).await.map_err(unavailable)?;
        Ok(Response::new(messages::vote_response_message(&response, &self.process.clock)))
    }

    async fn transfer_leader(
        &self,
        request: Request<pb::TransferLeaderRequest>,
    ) -> Result<Response<pb::TransferLeaderResponse>, Status> {
        let from = gate::caller(request.extensions());
        let request = messages::transfer_request(request.into_inner()).map_err(malformed)?;
        self.judge.transfer(from, &request).map_err(|unsound| self.refuse(from, unsound))?;
        let response = self.group.raft.handle_transfer_leader(request).await.map_err(unavailable)?;
        Ok(Response::new(messages::transfer_response_message(&response)))
    }

    async fn snapshot(
        &self,
        request: Request<Streaming<pb::SnapshotFrame>>,
    ) -> Result<Response<pb::SnapshotResponse>, Status> {
        let from = gate::caller(request.extensions());
        let holds = |bytes| self.process.disk.holds_snapshot(bytes);
        let refusal = &self.group.peers.snapshot_refusal;
        let received = async {
            let received =
                snapshot::receive(request.into_inner(), &self.snapshots, &self.judge, from, holds).await;
            Ok(received.inspect_err(|why| refusal.note(from, why))?)
        };
        let received = self.receiving.only(from, received).await?;
        refusal.forget();
        tracing::info!(from, last = ?received.snapshot.meta.last_log_id, "received a snapshot");
        let installed = self.group.raft.install_full_snapshot(received.vote, received.snapshot);
        let response = installed.await.map_err(unavailable)?;
        Ok(Response::new(pb::SnapshotResponse { vote: Some(Vote::to_message(&response.vote)) }))
    }

    async fn forward(
        &self,
        request: Request<Streaming<pb::ForwardFrame>>,
    ) -> Result<Response<Self::ForwardStream>, Status> {
        let from = gate::caller(request.extensions());
        let forwarded = Forwarded {
            from,
            batcher: self.group.intake.batcher.clone(),
            level: self.group.level.clone(),
            traces: self.process.config.traces,
            judge: self.judge.clone(),
        };
        let answers = forwarded.answers(request.into_inner(), self.forwarding.begin(from));
        Ok(Response::new(self.results(answers)))
    }

    async fn read_index(
        &self,
        request: Request<pb::ReadIndexRequest>,
    ) -> Result<Response<pb::ReadIndexResponse>, Status> {
        let from = gate::caller(request.extensions());
        let vote = messages::read_index_request(request.into_inner()).map_err(malformed)?;
        self.judge.asker(&vote).map_err(|unsound| self.refuse(from, unsound))?;
        let index = self.group.commit_index.confirmed(Some((from, vote))).await.map_err(unavailable)?;
        Ok(Response::new(pb::ReadIndexResponse { index }))
    }

    async fn current_vote(
        &self,
        _: Request<pb::CurrentVoteRequest>,
    ) -> Result<Response<pb::CurrentVoteResponse>, Status> {
        let vote = self.group.commit_index.current_vote().await?;
        Ok(Response::new(pb::CurrentVoteResponse { vote: Some(vote.to_message()) }))
    }

    async fn join(&self, request: Request<pb::JoinRequest>) -> Result<Response<pb::JoinResponse>, Status> {
        let from = gate::caller(request.extensions());
        let names = gate::ticket(request.extensions()).names().cloned();
        let (member, understood) = introduction::join(request.into_inner(), from)?;
        if let Some(names) = names {
            self.process.transport.roster.check(from, &member.name, &names)?;
        }
        let step = self.group.admission.step(member, understood).await;
        Ok(Response::new(match step {
            Ok(()) => pb::JoinResponse { voter: true, ..Default::default() },
            Err(not_yet) => {
                let applicant = not_yet.needs_somebody();
                pb::JoinResponse { voter: false, message: not_yet.to_string(), applicant }
            }
        }))
    }

    async fn order(&self, request: Request<pb::OrderRequest>) -> Result<Response<pb::OrderResponse>, Status> {
        let (order, expected) = message::order_of(request.into_inner()).map_err(malformed)?;
        let outcome = self.group.orders.carry_out(order, expected).await;
        Ok(Response::new(message::outcome(outcome)))
    }

    async fn drain(&self, request: Request<pb::DrainRequest>) -> Result<Response<pb::DrainResponse>, Status> {
        let leads = self.group.drain.set(request.into_inner().mode()).await;
        Ok(Response::new(pb::DrainResponse { leads }))
    }
}

#[tonic::async_trait]
impl Discovery for Service {
    async fn discover(
        &self,
        request: Request<pb::DiscoverRequest>,
    ) -> Result<Response<pb::DiscoverResponse>, Status> {
        let ticket = gate::ticket(request.extensions()).clone();
        ticket.called();
        let asker = introduction::question(request.into_inner())?;
        if let Some(names) = ticket.names() {
            self.process.transport.roster.check(asker.node_id, &asker.name, names)?;
        }
        self.group.peers.hear(&asker);
        Ok(Response::new(self.group.peers.answer(&asker)))
    }
}

/// The follower has no room for entries.
pub(crate) fn no_room() -> Status {
    Status::resource_exhausted("this node's disk is full")
}

fn malformed(malformed: Malformed) -> Status {
    Status::invalid_argument(malformed.to_string())
}

fn unavailable(error: impl std::fmt::Display) -> Status {
    Status::unavailable(error.to_string())
}
