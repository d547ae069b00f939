use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use quorate_core::FeatureLevel;
use quorate_proto::Malformed;
use quorate_proto::peer::v1 as pb;
use quorate_proto::peer::v1::discovery_client::DiscoveryClient;
use quorate_proto::peer::v1::peer_client::PeerClient;
use quorate_store::{NodeId, ProtoForm, Vote};
use tokio::time::Instant;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use super::address_book::AddressBook;
use super::header;
use super::identity::Identity;
use crate::limits;

/// This node's connections to its peers: made when first used, made again when they break.
#[derive(Clone)]
pub(crate) struct Transport {
    identity: Identity,
    pub(crate) book: AddressBook,
    channels: Arc<Mutex<HashMap<(String, Purpose), Channel>>>,
}

/// Calls of different urgency do not share a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Purpose {
    /// Replication.
    Log,
    /// Heartbeats: never behind a full frame.
    Heartbeat,
    /// Snapshots: never in anybody's way.
    Snapshot,
    /// Forwarded commands.
    Forward,
    /// Elections, ReadIndex, membership.
    Control,
}

impl Transport {
    pub(crate) fn new(identity: Identity) -> Transport {
        Transport { identity, book: AddressBook::default(), channels: Arc::default() }
    }

    /// Lets go of connections to all other addresses.
    pub(crate) fn keep(&self, addrs: &BTreeSet<String>) {
        self.channels.lock().retain(|(addr, _), _| addrs.contains(addr));
    }

    pub(super) fn channel(&self, addr: &str, purpose: Purpose) -> Result<Channel, Status> {
        if let Some(channel) = self.channels.lock().get(&(addr.to_owned(), purpose)) {
            return Ok(channel.clone());
        }
        let endpoint = Endpoint::from_shared(format!("http://{addr}"))
            .map_err(|error| Status::invalid_argument(format!("{addr}: {error}")))?;
        let channel = endpoint
            .connect_timeout(limits::CONNECT)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(limits::KEEPALIVE)
            .keep_alive_timeout(limits::KEEPALIVE_TIMEOUT)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(limits::STREAM_WINDOW)
            .initial_connection_window_size(limits::CONNECTION_WINDOW)
            .connect_lazy();
        self.channels.lock().insert((addr.to_owned(), purpose), channel.clone());
        Ok(channel)
    }

    /// The way to a member, wherever it is now.
    pub(super) fn peer(&self, id: NodeId, purpose: Purpose) -> Result<PeerClient<Channel>, Status> {
        let addr = self.book.of(id).ok_or_else(|| Status::unavailable("its address is not known"))?;
        self.peer_at(&addr, purpose)
    }

    pub(super) fn peer_at(&self, addr: &str, purpose: Purpose) -> Result<PeerClient<Channel>, Status> {
        Ok(PeerClient::new(self.channel(addr, purpose)?)
            .max_decoding_message_size(limits::MESSAGE_BYTES)
            .max_encoding_message_size(limits::MESSAGE_BYTES))
    }

    /// A call of this node to `to`.
    pub(super) fn request<T>(&self, to: NodeId, message: T) -> Result<Request<T>, Status> {
        let mut request = Request::new(message);
        header::write(&self.identity, to, request.metadata_mut())?;
        Ok(request)
    }

    /// Opens a forward stream: frames go into the sender, results come out of the stream.
    pub(crate) async fn forward(
        &self,
        to: NodeId,
        frames: tokio::sync::mpsc::Receiver<pb::ForwardFrame>,
    ) -> Result<tonic::Streaming<pb::ForwardResult>, Status> {
        let frames = tokio_stream::wrappers::ReceiverStream::new(frames);
        let request = self.request(to, frames)?;
        let mut peer = self.peer(to, Purpose::Forward)?;
        within(limits::ASK, peer.forward(request)).await
    }

    /// Asks the leader up to where a linearizable read must have applied the log. `vote` is this node's, taken after that
    /// read began.
    pub(crate) async fn read_index(&self, to: NodeId, vote: Vote) -> Result<u64, Status> {
        let request = self.request(to, pb::ReadIndexRequest { vote: Some(vote.to_message()) })?;
        let mut peer = self.peer(to, Purpose::Control)?;
        Ok(within(limits::ASK, peer.read_index(request)).await?.index)
    }

    /// Asks a member whom it follows.
    pub(crate) async fn current_vote(&self, to: NodeId) -> Result<Vote, Status> {
        let request = self.request(to, pb::CurrentVoteRequest {})?;
        let mut peer = self.peer(to, Purpose::Control)?;
        let vote = within(limits::ASK_VOTE, peer.current_vote(request)).await?.vote;
        let vote = vote.ok_or(Malformed::Field { message: "CurrentVoteResponse", field: "vote" });
        vote.and_then(Vote::from_message).map_err(|malformed| Status::internal(malformed.to_string()))
    }

    /// Asks the leader for the next step on the way to be a member.
    pub(crate) async fn join(
        &self,
        to: NodeId,
        addr: &str,
        member: quorate_proto::log::v1::Member,
        understood: FeatureLevel,
    ) -> Result<pb::JoinResponse, Status> {
        let join = pb::JoinRequest { member: Some(member), feature_level: understood.0 };
        let request = self.request(to, join)?;
        let mut peer = self.peer_at(addr, Purpose::Control)?;
        within(limits::JOIN, peer.join(request)).await
    }

    /// Asks whoever listens at `addr` who it is; with the time that the question took.
    pub(crate) async fn discover(
        &self,
        addr: &str,
        question: pb::DiscoverRequest,
    ) -> Result<(pb::DiscoverResponse, Duration), Status> {
        let mut discovery = DiscoveryClient::new(self.channel(addr, Purpose::Control)?);
        let asked = Instant::now();
        let answer = within(limits::ASK, discovery.discover(question)).await?;
        Ok((answer, asked.elapsed()))
    }

    /// Has the leader carry out what an operator asks.
    pub(crate) async fn order(
        &self,
        to: NodeId,
        order: pb::OrderRequest,
        patience: Duration,
    ) -> Result<pb::OrderResponse, Status> {
        let request = self.request(to, order)?;
        let mut peer = self.peer(to, Purpose::Control)?;
        within(patience, peer.order(request)).await
    }

    /// Drains a member, or has it do as before.
    pub(crate) async fn drain(
        &self,
        to: NodeId,
        mode: pb::drain_request::Mode,
    ) -> Result<pb::DrainResponse, Status> {
        let request = self.request(to, pb::DrainRequest { mode: mode.into() })?;
        let mut peer = self.peer(to, Purpose::Control)?;
        within(limits::DRAIN_MEMBER, peer.drain(request)).await
    }
}

/// The answer, if it comes in time.
pub(super) async fn within<T>(
    deadline: Duration,
    call: impl Future<Output = Result<tonic::Response<T>, Status>>,
) -> Result<T, Status> {
    match tokio::time::timeout(deadline, call).await {
        Ok(answer) => answer.map(tonic::Response::into_inner),
        Err(_) => Err(Status::deadline_exceeded(format!("no answer within {deadline:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;

    use super::*;
    use crate::peer::Run;

    #[tokio::test]
    async fn connections_to_addresses_that_nobody_has_are_let_go() {
        let cluster_id = Arc::new(OnceLock::from("a".to_owned()));
        let identity = Identity { node_id: 1, cluster_id, run: Run::NONE, former: Arc::default() };
        let transport = Transport::new(identity);
        for addr in ["127.0.0.1:1", "127.0.0.1:2"] {
            transport.channel(addr, Purpose::Control).unwrap();
            transport.channel(addr, Purpose::Log).unwrap();
        }
        transport.keep(&BTreeSet::from(["127.0.0.1:2".to_owned(), "127.0.0.1:3".to_owned()]));
        let kept: BTreeSet<String> = transport.channels.lock().keys().map(|(addr, _)| addr.clone()).collect();
        assert_eq!(kept, BTreeSet::from(["127.0.0.1:2".to_owned()]));
    }
}
