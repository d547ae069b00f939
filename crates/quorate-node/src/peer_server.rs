use std::io;
use std::pin::Pin;

use bytes::Bytes;
use futures::{Stream, StreamExt};
use quorate_core::{Envelope, FeatureLevel, RequestId};
use quorate_proto::Malformed;
use quorate_proto::peer::v1::discovery_server::{Discovery, DiscoveryServer};
use quorate_proto::peer::v1::peer_server::{Peer, PeerServer};
use quorate_proto::peer::v1::{self as pb, TraceParent, forward_answer::Kind};
use quorate_store::{NodeId, ProtoForm, SnapshotStore, Vote};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};
use tracing::Span;

use crate::cluster::order::message;
use crate::command::proposal::{Proposal, Proposer, Verdict};
use crate::group::Group;
use crate::limits;
use crate::peer::connections::Connections;
use crate::peer::door::Door;
use crate::peer::frames::Frames;
use crate::peer::gate::{self, Gate};
use crate::peer::sound::{Judge, Unsound};
use crate::peer::unfinished::{Bounded, Unfinished};
use crate::peer::{introduction, messages, snapshot};
use crate::process::Process;
use crate::trace;

type Results<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Answers the peers.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) process: Process,
    pub(crate) group: Group,
    pub(crate) snapshots: SnapshotStore,
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
pub(crate) async fn serve(service: Service, listener: TcpListener) {
    let hang_up = service.hang_up.clone();
    let peer = PeerServer::new(service.clone())
        .max_decoding_message_size(limits::MESSAGE_BYTES)
        .max_encoding_message_size(limits::MESSAGE_BYTES);
    let peer = Gate {
        members: Bounded { service: peer, unfinished: Unfinished::default(), caller: gate::caller },
        others: PeerServer::new(service.clone()).max_decoding_message_size(limits::DISCOVER_BYTES),
        identity: service.process.identity.clone(),
        roster: service.process.transport.roster.clone(),
    };
    let discovery = DiscoveryServer::new(service.clone()).max_decoding_message_size(limits::DISCOVER_BYTES);
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
    /// Whose word is looked at before anything comes of it.
    fn judge(&self) -> Judge {
        Judge {
            own_id: self.process.identity.node_id,
            raft: self.group.raft.clone(),
            clock: self.process.clock.clone(),
            understood: self.process.config.feature_level,
        }
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
        let frames = Frames::new(from, self.judge(), &self.process, request.into_inner());
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
        self.judge().vote(from, &request).map_err(|unsound| refuse(from, unsound))?;
        let response = self.group.raft.vote(request).await.map_err(unavailable)?;
        Ok(Response::new(messages::vote_response_message(&response, &self.process.clock)))
    }

    async fn pre_vote(
        &self,
        request: Request<pb::VoteRequest>,
    ) -> Result<Response<pb::VoteResponse>, Status> {
        let from = gate::caller(request.extensions());
        let request = messages::vote_request(request.into_inner()).map_err(malformed)?;
        self.judge().vote(from, &request).map_err(|unsound| refuse(from, unsound))?;
        let response = self.group.raft.pre_vote(request).await.map_err(unavailable)?;
        Ok(Response::new(messages::vote_response_message(&response, &self.process.clock)))
    }

    async fn transfer_leader(
        &self,
        request: Request<pb::TransferLeaderRequest>,
    ) -> Result<Response<pb::TransferLeaderResponse>, Status> {
        let from = gate::caller(request.extensions());
        let request = messages::transfer_request(request.into_inner()).map_err(malformed)?;
        self.judge().transfer(from, &request).map_err(|unsound| refuse(from, unsound))?;
        let response = self.group.raft.handle_transfer_leader(request).await.map_err(unavailable)?;
        Ok(Response::new(messages::transfer_response_message(&response)))
    }

    async fn snapshot(
        &self,
        request: Request<Streaming<pb::SnapshotFrame>>,
    ) -> Result<Response<pb::SnapshotResponse>, Status> {
        let from = gate::caller(request.extensions());
        let receiver = self.snapshots.receive().await.map_err(|error| Status::aborted(error.to_string()))?;
        let holds = |bytes| if self.process.disk.holds(bytes) { Ok(()) } else { Err(no_room()) };
        let received = snapshot::receive(request.into_inner(), receiver, &self.judge(), from, holds).await?;
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
        let mut frames = request.into_inner();
        let (verdicts, settled) = mpsc::unbounded_channel(); // bounded by the batcher's room
        let (batcher, level) = (self.group.intake.batcher.clone(), self.group.level.clone());
        let (hang_up, traces) = (self.hang_up.clone(), self.process.config.traces);
        tokio::spawn(hang_up.run_until_cancelled_owned(async move {
            while let Ok(Some(frame)) = frames.message().await {
                let mut parents = frame.parents.into_iter().peekable();
                for (at, envelope) in frame.envelopes.into_iter().enumerate() {
                    let parent = parents.next_if(|parent| parent.envelope as usize == at);
                    let now = *level.borrow();
                    match admit(&envelope, now) {
                        Ok(Admitted { request_id, adds_jobs, envelope }) => {
                            let span = match parent {
                                Some(TraceParent { parent, .. }) => {
                                    trace::forwarded(traces, request_id, &parent)
                                }
                                None => Span::none(),
                            };
                            let to = Proposer::Peer(verdicts.clone());
                            batcher.offer(Proposal { request_id, envelope, adds_jobs, span, to });
                        }
                        Err(Refused { request_id, reason }) => {
                            tracing::warn!(from, reason, "a peer forwarded a command that is not understood");
                            if let Some(request_id) = request_id {
                                // Nobody may listen any more.
                                let _ = verdicts.send((request_id, Verdict::NotUnderstood));
                            }
                        }
                    }
                }
            }
        }));
        let results = futures::stream::unfold(settled, |mut settled| async move {
            let mut some = Vec::new();
            let count = settled.recv_many(&mut some, quorate_core::limits::COMMANDS_PER_ENTRY).await;
            (count > 0).then(|| (Ok(forward_result(some)), settled))
        });
        Ok(Response::new(self.results(results)))
    }

    async fn read_index(
        &self,
        request: Request<pb::ReadIndexRequest>,
    ) -> Result<Response<pb::ReadIndexResponse>, Status> {
        let from = gate::caller(request.extensions());
        let vote = messages::read_index_request(request.into_inner()).map_err(malformed)?;
        self.judge().asker(&vote).map_err(|unsound| refuse(from, unsound))?;
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

fn forward_result(settled: Vec<(RequestId, Verdict)>) -> pb::ForwardResult {
    let answers = settled.into_iter().map(|(request_id, verdict)| pb::ForwardAnswer {
        request_id: Some(request_id.0.into()),
        kind: match verdict {
            Verdict::Appended => Kind::Appended,
            Verdict::NotLeader => Kind::NotLeader,
            Verdict::Overloaded => Kind::Overloaded,
            Verdict::DiskFull => Kind::DiskFull,
            Verdict::NotUnderstood => Kind::NotUnderstood,
            Verdict::Unknown => Kind::Unknown,
        }
        .into(),
    });
    pb::ForwardResult { answers: answers.collect() }
}

/// A command that does not get into the log.
#[derive(Debug, PartialEq)]
struct Refused {
    /// Whom to tell, if that much can be read.
    request_id: Option<RequestId>,
    reason: String,
}

/// A command of another node, as it goes into the log.
#[derive(Debug, PartialEq)]
struct Admitted {
    request_id: RequestId,
    adds_jobs: bool,
    /// Encoded by this node.
    envelope: Bytes,
}

/// Looks at a command that another node has encoded: in the log it could not be refused any more. What goes there is encoded anew, so
/// nothing of it is but what was looked at.
fn admit(envelope: &Bytes, level: FeatureLevel) -> Result<Admitted, Refused> {
    match quorate_proto::decode_envelope(envelope.clone()) {
        Ok(envelope) if envelope.command.level() <= level => Ok(Admitted {
            request_id: envelope.request_id,
            adds_jobs: envelope.command.adds_jobs(),
            envelope: quorate_proto::encode_envelope(envelope),
        }),
        Ok(Envelope { request_id, command, .. }) => {
            let reason = format!("it is of feature level {}, the cluster of {level}", command.level());
            Err(Refused { request_id: Some(request_id), reason })
        }
        Err(malformed) => {
            let request_id = quorate_proto::request_id_of(envelope);
            Err(Refused { request_id, reason: malformed.to_string() })
        }
    }
}

/// Says so here, too: a peer that cannot be right is no everyday thing.
fn refuse(from: NodeId, unsound: Unsound) -> Status {
    tracing::error!(from, %unsound, "a peer's call is refused");
    unsound.into()
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

#[cfg(test)]
mod tests {
    use prost::Message;
    use quorate_core::{Command, JobId, Timestamp};
    use quorate_proto::log::v1 as log;

    use super::*;

    #[test]
    fn a_command_above_the_clusters_level_or_of_no_known_kind_is_refused_for_itself() {
        let request_id = RequestId([3; 16]);
        let command = Command::Touch { id: JobId([1; 16]), progress: None };
        let level = command.level();
        let envelope = log::Envelope::from(Envelope { request_id, deadline: Timestamp(1), command });
        let bytes = Bytes::from(envelope.encode_to_vec());
        let admitted = Admitted { request_id, adds_jobs: false, envelope: bytes.clone() };
        assert_eq!(admit(&bytes, level), Ok(admitted));
        let above = admit(&bytes, FeatureLevel(level.0 - 1)).unwrap_err();
        assert_eq!(above.request_id, Some(request_id));
        let unknown = log::Envelope { command: None, ..envelope };
        let unknown = admit(&unknown.encode_to_vec().into(), level).unwrap_err();
        assert_eq!(unknown.request_id, Some(request_id));
        assert_eq!(admit(&Bytes::from_static(b"\xff"), level).unwrap_err().request_id, None);
    }
}
