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
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use super::address_book::AddressBook;
use super::identity::Identity;
use super::refusals::Refusals;
use super::roster::Roster;
use super::tls::{Connector, Meant, PeerTls};
use super::{header, introduction};
use crate::limits;

/// This node's connections to its peers: made when first used, made again when they break.
#[derive(Clone)]
pub(crate) struct Transport {
    identity: Identity,
    pub(crate) book: AddressBook,
    pub(crate) roster: Roster,
    pub(crate) refusals: Refusals,
    tls: Option<(PeerTls, TlsConnector)>,
    channels: Arc<Mutex<Channels>>,
}

#[derive(Default)]
struct Channels {
    open: HashMap<Way, (Channel, Meant)>,
    /// The version of the certificates with which they were made.
    version: u64,
}

/// What a channel is for: to where, for what, and to whom, if that is known.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Way {
    addr: String,
    purpose: Purpose,
    name: Option<String>,
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

/// Who has answered at an address.
pub(crate) struct Met {
    pub(crate) answer: pb::DiscoverResponse,
    took: Duration,
    /// This node knows that there is such a node; of all, where there are no certificates.
    is_known: bool,
}

impl Transport {
    pub(crate) fn new(identity: Identity, roster: Roster, tls: Option<PeerTls>) -> Transport {
        let tls = tls.map(|tls| (tls.clone(), tls.connector()));
        let (book, refusals) = (AddressBook::default(), Refusals::default());
        Transport { identity, book, roster, refusals, tls, channels: Arc::default() }
    }

    /// The same, without a connection so far, of a node that knows these.
    pub(crate) fn anew(&self, roster: Roster) -> Transport {
        Transport { roster, channels: Arc::default(), ..self.clone() }
    }

    /// Lets go of connections to all other addresses, and of all that were made with certificates that are not in use any more: calls
    /// under way end on them.
    pub(crate) fn keep(&self, addrs: &BTreeSet<String>) {
        let mut channels = self.channels.lock();
        let version = self.tls.as_ref().map_or(0, |(tls, _)| tls.version());
        let is_new = std::mem::replace(&mut channels.version, version) != version;
        channels.open.retain(|way, _| !is_new && addrs.contains(&way.addr));
    }

    /// To whoever is at an address, or to the node of that name alone: there is no name where there is no TLS.
    fn channel(
        &self,
        addr: &str,
        purpose: Purpose,
        name: Option<String>,
    ) -> Result<(Channel, Meant), Status> {
        let way = Way { addr: addr.to_owned(), purpose, name };
        if let Some(channel) = self.channels.lock().open.get(&way) {
            return Ok(channel.clone());
        }
        let endpoint = Endpoint::from_shared(format!("http://{addr}"))
            .map_err(|error| Status::invalid_argument(format!("{addr}: {error}")))?;
        let endpoint = endpoint
            .connect_timeout(limits::CONNECT)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(limits::KEEPALIVE)
            .keep_alive_timeout(limits::KEEPALIVE_TIMEOUT)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(limits::STREAM_WINDOW)
            .initial_connection_window_size(limits::CONNECTION_WINDOW);
        let meant = way.name.clone().map_or_else(|| Meant::Anybody(Arc::default()), Meant::Named);
        let channel = match &self.tls {
            None => endpoint.connect_lazy(),
            Some((tls, connector)) => {
                let connector =
                    Connector::new(tls.clone(), connector.clone(), meant.clone(), self.refusals.clone());
                endpoint
                    .connect_with_connector_lazy(tower::service_fn(move |to| connector.clone().connect(to)))
            }
        };
        self.channels.lock().open.insert(way, (channel.clone(), meant.clone()));
        Ok((channel, meant))
    }

    /// Which name the certificate of a node must bear, where there are certificates.
    fn name_of(&self, id: NodeId) -> Result<Option<String>, Status> {
        match &self.tls {
            None => Ok(None),
            Some(_) => match self.roster.name_of(id) {
                Some(name) => Ok(Some(name)),
                None => Err(Status::unavailable("its name is not known")),
            },
        }
    }

    /// The way to a member, wherever it is now.
    pub(super) fn peer(&self, id: NodeId, purpose: Purpose) -> Result<PeerClient<Channel>, Status> {
        let addr = self.book.of(id).ok_or_else(|| Status::unavailable("its address is not known"))?;
        self.peer_at(id, &addr, purpose)
    }

    /// The way to a node that is reached at this address.
    pub(super) fn peer_at(
        &self,
        id: NodeId,
        addr: &str,
        purpose: Purpose,
    ) -> Result<PeerClient<Channel>, Status> {
        let (channel, _) = self.channel(addr, purpose, self.name_of(id)?)?;
        Ok(PeerClient::new(channel)
            .max_decoding_message_size(limits::SHORT_BYTES)
            .max_encoding_message_size(limits::MESSAGE_BYTES))
    }

    /// A call of this node to `to`.
    pub(super) fn request<T>(&self, to: NodeId, message: T) -> Result<Request<T>, Status> {
        let mut request = Request::new(message);
        let cluster_id = self.identity.cluster_id.get();
        let cluster_id = cluster_id
            .ok_or_else(|| Status::failed_precondition("this node does not know its cluster yet"))?;
        header::write(self.identity.node_id, cluster_id, to, request.metadata_mut())?;
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

    /// Asks the leader that has answered at `addr` for the next step on the way to be a member. Who asks may belong to no cluster so far.
    pub(crate) async fn join(
        &self,
        leader: &pb::DiscoverResponse,
        addr: &str,
        member: quorate_proto::log::v1::Member,
        understood: FeatureLevel,
    ) -> Result<pb::JoinResponse, Status> {
        let to = leader.node_id;
        let mut request = Request::new(pb::JoinRequest { member: Some(member), feature_level: understood.0 });
        header::write(self.identity.node_id, &leader.cluster_id, to, request.metadata_mut())?;
        let mut peer = self.peer_at(to, addr, Purpose::Control)?;
        within(limits::JOIN, peer.join(request)).await
    }

    /// Asks the node that listens at `addr` who it is, and what it knows; with the time that the question took. Where there are
    /// certificates, who is there is one that this node [knows](Roster::knows).
    pub(crate) async fn discover(
        &self,
        addr: &str,
        question: pb::DiscoverRequest,
    ) -> Result<(pb::DiscoverResponse, Duration), Status> {
        match self.discover_anybody(addr, question).await? {
            Met { answer, took, is_known: true } => Ok((answer, took)),
            Met { answer: pb::DiscoverResponse { name, node_id, .. }, .. } => Err(Status::permission_denied(
                format!("this node does not know the one there, {name}, of the id {node_id}"),
            )),
        }
    }

    /// Asks whoever listens at `addr` who it is. Where there are certificates, the one there bears the name that is answered; the rest
    /// of the answer is the word of whoever has that.
    pub(crate) async fn discover_anybody(
        &self,
        addr: &str,
        question: pb::DiscoverRequest,
    ) -> Result<Met, Status> {
        let (channel, met) = self.channel(addr, Purpose::Control, None)?;
        let asked = Instant::now();
        let mut peer = DiscoveryClient::new(channel).max_decoding_message_size(limits::SHORT_BYTES);
        let answer = within(limits::ASK, peer.discover(question)).await;
        let took = asked.elapsed();
        let answer = answer.and_then(introduction::answer);
        let believed = match (answer, &met) {
            (Ok(answer), Meant::Anybody(met)) if self.tls.is_some() => {
                let unknown = || Status::unavailable("nobody was met there");
                let is_known =
                    met.get().ok_or_else(unknown).and_then(|names| self.roster.hear(&answer, names));
                is_known.map(|is_known| Met { answer, took, is_known })
            }
            (answer, _) => answer.map(|answer| Met { answer, took, is_known: true }),
        };
        if believed.is_err() && self.tls.is_some() {
            // Somebody else may be there next time.
            let way = Way { addr: addr.to_owned(), purpose: Purpose::Control, name: None };
            self.channels.lock().open.remove(&way);
        }
        believed
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
        let transport = Transport::new(identity.clone(), Roster::of(identity, "n1", BTreeSet::new()), None);
        for addr in ["127.0.0.1:1", "127.0.0.1:2"] {
            transport.channel(addr, Purpose::Control, None).unwrap();
            transport.channel(addr, Purpose::Log, None).unwrap();
        }
        transport.keep(&BTreeSet::from(["127.0.0.1:2".to_owned(), "127.0.0.1:3".to_owned()]));
        let kept: BTreeSet<String> =
            transport.channels.lock().open.keys().map(|way| way.addr.clone()).collect();
        assert_eq!(kept, BTreeSet::from(["127.0.0.1:2".to_owned()]));
    }
}
