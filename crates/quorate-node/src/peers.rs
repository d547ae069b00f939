use std::sync::Arc;
use std::time::Duration;

use quorate_proto::log::v1::Member;
use quorate_proto::peer::v1 as pb;
use quorate_store::{Node, NodeId};
use tokio::sync::watch;

use crate::clock::LogClock;
use crate::disk::Disk;
use crate::leadership::Leadership;
use crate::transport::{self, Identity, Transport};
use crate::{DiskState, NodeConfig};

/// What this node tells others of itself, and what it asks them.
#[derive(Clone)]
pub(crate) struct Peers {
    pub(crate) config: Arc<NodeConfig>,
    pub(crate) identity: Identity,
    pub(crate) leadership: Leadership,
    pub(crate) transport: Transport,
    pub(crate) clock: LogClock,
    pub(crate) applied: watch::Receiver<u64>,
    pub(crate) disk: Disk,
    /// This node's directory was set aside once: it had belonged to a cluster.
    pub(crate) lost_data: bool,
}

impl Peers {
    /// Who this node is, to whoever asks.
    pub(crate) fn introduce(&self, question: &pb::DiscoverRequest) -> pb::DiscoverResponse {
        let leader = self.leadership.now();
        let stored = self.leadership.membership();
        let membership = stored.membership();
        pb::DiscoverResponse {
            name: self.config.name.clone(),
            node_id: self.identity.node_id,
            cluster_id: self.cluster_id().unwrap_or_default().to_owned(),
            initialised: membership.nodes().next().is_some(),
            leads: leader.is_some_and(|leader| leader.here),
            knows_asker: membership.get_node(&question.node_id).is_some(),
            applied_index: *self.applied.borrow(),
            wall_ms: self.clock.wall_ms(),
            log_time: self.clock.knowledge().map(transport::log_time_message),
            leader: leader.map_or(0, |leader| leader.id),
            lost_data: self.lost_data,
            http_addr: self.config.http_addr.clone(),
            disk_state: disk_state(self.disk.state()).into(),
            disk_free_bytes: self.disk.room(),
        }
    }

    /// The cluster's id, once this node belongs to one.
    pub(crate) fn cluster_id(&self) -> Option<&str> {
        self.identity.cluster_id.get().map(String::as_str)
    }

    /// This node as a member.
    pub(crate) fn as_member(&self) -> Member {
        Member {
            node_id: self.identity.node_id,
            name: self.config.name.clone(),
            peer_addr: self.config.peer_addr().unwrap_or_default().to_owned(),
            http_addr: self.config.http_addr.clone(),
        }
    }

    /// Asks whoever listens at `addr` who it is; `None` if nobody answers. What it says of the time is noted.
    pub(crate) async fn ask(&self, addr: &str) -> Option<pb::DiscoverResponse> {
        match self.transport.discover(addr, &self.config.name).await {
            Ok((answer, round_trip)) => {
                self.note_time(&answer, round_trip);
                Some(answer)
            }
            Err(status) => {
                tracing::debug!(addr, %status, "a peer does not answer");
                None
            }
        }
    }

    /// Asks several at once. The answers come in the order of the addresses.
    pub(crate) async fn ask_all(&self, addrs: &[String]) -> Vec<Option<pb::DiscoverResponse>> {
        futures::future::join_all(addrs.iter().map(|addr| self.ask(addr))).await
    }

    /// The other members.
    pub(crate) fn members(&self) -> Vec<(NodeId, Node)> {
        let stored = self.leadership.membership();
        let others = stored.membership().nodes().filter(|(id, _)| **id != self.identity.node_id);
        others.map(|(id, node)| (*id, node.clone())).collect()
    }

    /// The ids of the other members.
    pub(crate) fn others(&self) -> Vec<NodeId> {
        self.members().into_iter().map(|(id, _)| id).collect()
    }

    /// Every address at which another node may be: the configured ones, and those of the membership.
    pub(crate) fn addresses(&self) -> Vec<String> {
        let own = self.config.peer_addr();
        let configured = self.config.peers.iter().map(|(_, addr)| addr.clone());
        let mut all: Vec<String> =
            configured.chain(self.members().into_iter().map(|(_, node)| node.peer_addr)).collect();
        all.retain(|addr| Some(addr.as_str()) != own);
        all.sort_unstable();
        all.dedup();
        all
    }

    fn note_time(&self, answer: &pb::DiscoverResponse, round_trip: Duration) {
        if self.cluster_id() == Some(answer.cluster_id.as_str()) && answer.node_id != self.identity.node_id {
            self.clock.saw_wall(answer.node_id, answer.wall_ms, round_trip);
            if let Some(known) = answer.log_time {
                self.clock.learn(transport::log_time(known));
            }
        }
    }
}

fn disk_state(state: DiskState) -> pb::DiskState {
    match state {
        DiskState::Room => pb::DiskState::Room,
        DiskState::Short => pb::DiskState::Short,
        DiskState::Full => pb::DiskState::Full,
    }
}
