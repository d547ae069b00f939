use std::pin::Pin;
use std::time::Duration;

use futures::{FutureExt, Stream, StreamExt};
use openraft::base::{BoxFuture, BoxStream};
use openraft::errors::{RPCError, ReplicationClosed, StreamingError};
use openraft::network::{
    Backoff, NetBackoff, NetSnapshot, NetStreamAppend, NetTransferLeader, NetVote, RPCOption,
    RaftNetworkFactory,
};
use openraft::raft::{
    AppendEntriesRequest, SnapshotResponse, StreamAppendResult, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::{OptionalSend, alias::SnapshotOf};
use quorate_store::{Node, NodeId, SnapshotDir, TypeConfig, Vote};
use tokio::time::Instant;

use super::append::{Link, Session};
use super::target::{Target, bad_answer, rpc_error, unreachable};
use super::transport::{Purpose, Transport, within};
use super::{messages, snapshot, sound};
use crate::time::clock::LogClock;

type RpcResult<T> = Result<T, RPCError<TypeConfig>>;

/// Makes openraft's connections to the other members.
pub(crate) struct Network {
    pub(crate) transport: Transport,
    pub(crate) clock: LogClock,
}

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = Client;

    async fn new_client(&mut self, target: NodeId, node: &Node) -> Client {
        self.client(target, node, Purpose::Log)
    }

    async fn new_heartbeat_client(&mut self, target: NodeId, node: &Node) -> Client {
        self.client(target, node, Purpose::Heartbeat)
    }

    async fn new_snapshot_client(&mut self, target: NodeId, node: &Node) -> Client {
        self.client(target, node, Purpose::Snapshot)
    }
}

impl Network {
    fn client(&self, id: NodeId, node: &Node, purpose: Purpose) -> Client {
        let target = Target { transport: self.transport.clone(), id, node: node.clone() };
        Client { target, purpose, clock: self.clock.clone(), link: None }
    }
}

/// openraft's way to one other member.
pub(crate) struct Client {
    target: Target,
    purpose: Purpose,
    clock: LogClock,
    /// Open while no session uses it.
    link: Option<Link>,
}

impl NetStreamAppend<TypeConfig> for Client {
    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        _option: RPCOption,
    ) -> BoxFuture<'s, RpcResult<BoxStream<'s, RpcResult<StreamAppendResult<TypeConfig>>>>>
    where
        S: Stream<Item = AppendEntriesRequest<TypeConfig>> + OptionalSend + Unpin + 'static,
    {
        Box::pin(async move {
            // openraft pauses after a failure, but within `input`: a link that is opened before there is something to say
            // would be tried without a pause.
            let mut requests = input.peekable();
            if Pin::new(&mut requests).peek().await.is_none() {
                return Ok(futures::stream::empty().boxed());
            }
            let link = match self.link.take() {
                Some(link) => link,
                None => {
                    Link::open(&self.target, self.purpose).await.map_err(|status| unreachable(&status))?
                }
            };
            Ok(Session::new(&self.target, &mut self.link, link, requests, self.clock.clone()).boxed())
        })
    }
}

impl NetVote<TypeConfig> for Client {
    async fn vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> RpcResult<VoteResponse<TypeConfig>> {
        self.ask_vote(&request, option.soft_ttl(), false).await
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> RpcResult<VoteResponse<TypeConfig>> {
        self.ask_vote(&request, option.soft_ttl(), true).await
    }
}

impl Client {
    async fn ask_vote(
        &self,
        request: &VoteRequest<TypeConfig>,
        deadline: Duration,
        before: bool,
    ) -> RpcResult<VoteResponse<TypeConfig>> {
        let message = messages::vote_request_message(request);
        let asked = Instant::now();
        let answer = async {
            let request = self.target.transport.request(self.target.id, message)?;
            let mut peer = self.target.peer(Purpose::Control)?;
            if before {
                within(deadline, peer.pre_vote(request)).await
            } else {
                within(deadline, peer.vote(request)).await
            }
        };
        let answer = answer.await.map_err(|status| rpc_error(&status))?;
        let (wall_ms, known) = (answer.wall_ms, answer.log_time.map(messages::log_time));
        let response = messages::vote_response(answer).map_err(|malformed| bad_answer(&malformed))?;
        sound::vote_answer(&request.vote, &response).map_err(|unsound| self.target.unsound(&unsound))?;
        self.clock.saw_wall(self.target.id, wall_ms, asked.elapsed());
        // Nobody leads yet in the term for which it is asked.
        let led = request.vote.leader_id.term.saturating_sub(1);
        if let Some(known) = known
            && sound::told(&self.clock, led, &known).is_ok()
        {
            self.clock.learn(known);
        }
        Ok(response)
    }
}

impl NetTransferLeader<TypeConfig> for Client {
    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> RpcResult<TransferLeaderResponse<TypeConfig>> {
        let message = messages::transfer_request_message(&request);
        let answer = async {
            let request = self.target.transport.request(self.target.id, message)?;
            let mut peer = self.target.peer(Purpose::Control)?;
            within(option.soft_ttl(), peer.transfer_leader(request)).await
        };
        let answer = answer.await.map_err(|status| rpc_error(&status))?;
        messages::transfer_response(answer).map_err(|malformed| bad_answer(&malformed))
    }
}

impl NetSnapshot<TypeConfig> for Client {
    type SnapshotData = SnapshotDir;

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: SnapshotOf<TypeConfig, SnapshotDir>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let send = snapshot::send(&self.target, vote, snapshot).fuse();
        let (mut send, mut cancel) = (std::pin::pin!(send), std::pin::pin!(cancel.fuse()));
        futures::select_biased! {
            closed = cancel => Err(StreamingError::Closed(closed)),
            answer = send => answer.map(SnapshotResponse::new).map_err(|status| rpc_error(&status).into()),
        }
    }
}

impl NetBackoff<TypeConfig> for Client {
    /// As the Raft configuration has it.
    fn backoff(&self) -> Option<Backoff> {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, OnceLock};

    use super::*;
    use crate::machine::ThisMachine;
    use crate::peer::{Identity, Roster};

    #[tokio::test]
    async fn a_link_is_not_tried_while_openraft_pauses() {
        let cluster_id = Arc::new(OnceLock::from("a".to_owned()));
        let identity =
            Identity { node_id: 1, cluster_id, run: crate::peer::Run::NONE, former: Arc::default() };
        let mut network = Network {
            transport: Transport::new(identity.clone(), Roster::of(identity, "n1", Default::default()), None),
            clock: LogClock::new(Arc::new(ThisMachine)),
        };
        // To try it would fail at once.
        let node = Node { peer_addr: "no address".to_owned(), ..Node::default() };
        let mut client = network.new_client(2, &node).await;
        let option = RPCOption::new(Duration::from_secs(1));
        let pausing = futures::stream::pending();
        assert!(client.stream_append(pausing, option).now_or_never().is_none());
    }
}
