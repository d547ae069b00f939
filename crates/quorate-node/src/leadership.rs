use std::sync::Arc;

use openraft::ServerState;
use openraft::alias::WatchReceiverOf;
use openraft::async_runtime::WatchReceiver;
use openraft::metrics::RaftServerMetrics;
use quorate_store::{NodeId, StoredMembership, TypeConfig};

use crate::Raft;

/// Who leads, as far as this node knows. A dead leader is named until another one is elected.
#[derive(Clone)]
pub(crate) struct Leadership {
    own_id: NodeId,
    metrics: WatchReceiverOf<TypeConfig, RaftServerMetrics<TypeConfig>>,
}

/// A leader and its term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leader {
    pub(crate) id: NodeId,
    pub(crate) term: u64,
    /// It is this node.
    pub(crate) here: bool,
}

impl Leadership {
    pub(crate) fn new(own_id: NodeId, raft: &Raft) -> Leadership {
        Leadership { own_id, metrics: raft.server_metrics() }
    }

    /// The leader now.
    pub(crate) fn now(&self) -> Option<Leader> {
        let metrics = self.metrics.borrow_watched();
        let id = metrics.current_leader?;
        let here = id == self.own_id;
        if here && metrics.state != ServerState::Leader {
            return None;
        }
        Some(Leader { id, term: metrics.vote.leader_id.term, here })
    }

    /// The latest term that this node knows of.
    pub(crate) fn term(&self) -> u64 {
        self.metrics.borrow_watched().vote.leader_id.term
    }

    /// This node, if it leads.
    pub(crate) fn here(&self) -> Option<Leader> {
        self.now().filter(|leader| leader.here)
    }

    /// The members, those of a change under way included.
    pub(crate) fn membership(&self) -> Arc<StoredMembership> {
        Arc::clone(&self.metrics.borrow_watched().membership_config)
    }

    /// Whether any are known here: a node on an empty directory knows none, and applies nothing, before it is taken in.
    pub(crate) fn has_members(&self) -> bool {
        self.membership().membership().nodes().next().is_some()
    }

    /// The members as far as that is known to be committed.
    pub(crate) fn committed_membership(&self) -> Arc<StoredMembership> {
        Arc::clone(&self.metrics.borrow_watched().committed_membership_config)
    }

    /// Ends when the leader, its term or the membership may have changed since this was called last. Never ends
    /// once Raft has stopped.
    pub(crate) async fn changed(&mut self) {
        if self.metrics.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits until the leader is another one than `before`.
    pub(crate) async fn other_than(&mut self, before: Option<Leader>) -> Option<Leader> {
        loop {
            let now = self.now();
            if now != before {
                return now;
            }
            self.changed().await;
        }
    }

    /// Waits for a leader.
    pub(crate) async fn known(&mut self) -> Leader {
        loop {
            if let Some(leader) = self.now() {
                return leader;
            }
            self.changed().await;
        }
    }
}
