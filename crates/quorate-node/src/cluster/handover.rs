use std::time::Duration;

use openraft::LogIdOptionExt;
use openraft::async_runtime::WatchReceiver;
use quorate_proto::peer::v1::{DiscoverResponse, DiskState};
use quorate_store::NodeId;

use crate::Raft;
use crate::cluster::peers::Peers;
use crate::limits;

/// How a leader gives its place to another voter, so that nobody waits for an election timeout.
///
/// A leader that has begun to hand over proposes nothing and sends no heartbeats any more, whoever was named: one that
/// is dead, or lacks a part of the log, would cost an election timeout. So only those that answer now are named, the
/// most advanced first, and the next one when the first does not take over.
#[derive(Clone)]
pub(crate) struct Handover {
    pub(crate) raft: Raft,
    pub(crate) peers: Peers,
}

impl Handover {
    /// Makes a voter that `suits`, by what it says of itself, the leader. True when this node does not lead any more, or
    /// did not before. False when nobody was there to take over, or nobody did in time.
    pub(crate) async fn hand_over(&self, suits: impl Fn(&DiscoverResponse) -> bool) -> bool {
        if !self.leads() {
            return true;
        }
        let successors = self.successors(suits).await;
        if successors.is_empty() {
            // It goes on leading.
            tracing::debug!("there is nobody to hand the leadership over to");
            return !self.leads();
        }
        for successor in successors {
            tracing::info!(successor, "handing the leadership over");
            if self.raft.trigger().transfer_leader(successor).await.is_err() {
                return !self.leads();
            }
            if self.taken_over(limits::HANDOVER_TRY).await {
                return true;
            }
        }
        // The others miss the heartbeats by now, and elect somebody.
        let taken_over = self.taken_over(limits::HANDOVER).await;
        if !taken_over {
            tracing::warn!("nobody has taken the leadership over");
        }
        taken_over
    }

    /// Whether this node is the only voter: nobody will take over, however long one waits.
    pub(crate) fn has_no_other_voter(&self) -> bool {
        let stored = self.peers.leadership.membership();
        let own_id = self.peers.process.identity.node_id;
        stored.membership().voter_ids().all(|id| id == own_id)
    }

    fn leads(&self) -> bool {
        self.peers.leadership.here().is_some()
    }

    async fn taken_over(&self, within: Duration) -> bool {
        let mut leadership = self.peers.leadership.clone();
        let taken_over = async {
            while leadership.now().is_none_or(|leader| leader.here) {
                leadership.changed().await;
            }
        };
        tokio::time::timeout(within, taken_over).await.is_ok()
    }

    /// Who may take over, the best first.
    async fn successors(&self, suits: impl Fn(&DiscoverResponse) -> bool) -> Vec<NodeId> {
        let stored = self.peers.leadership.membership();
        let own_id = self.peers.process.identity.node_id;
        let voters = stored.membership().voter_ids().filter(|id| *id != own_id);
        let asked = futures::future::join_all(voters.map(|id| self.ask(id))).await;
        let metrics = self.raft.data_metrics().borrow_watched().clone();
        let Some(replication) = metrics.replication else { return Vec::new() };
        let matched = |id: &NodeId| replication.get(id).cloned().flatten().index();
        let living = asked.into_iter().flatten().filter(|answer| !answer.yields && suits(answer));
        let living = living.map(|answer| Successor {
            id: answer.node_id,
            unwilling: !leads_well(&answer),
            behind: !self.peers.has_applied(&answer),
            matched: matched(&answer.node_id),
        });
        let living = living.collect();
        best_first(living, metrics.last_log.index())
    }

    async fn ask(&self, id: NodeId) -> Option<DiscoverResponse> {
        tokio::time::timeout(limits::SUCCESSOR_ASK, self.peers.ask_member(id)).await.ok().flatten()
    }
}

/// Whether a node, by what it says of itself, goes on leading once it leads, where others could: it is not being drained, has room for new
/// jobs, and is not about to be removed. One rule for all who give the leadership away, else one gives it to the other and gets it back.
pub(crate) fn leads_well(answer: &DiscoverResponse) -> bool {
    !answer.draining && has_room(answer)
}

/// Whether new jobs find room there.
pub(crate) fn has_room(answer: &DiscoverResponse) -> bool {
    !answer.yields && answer.disk_state() == DiskState::Room
}

/// One that may take over.
struct Successor {
    id: NodeId,
    /// It would give the leadership away again.
    unwilling: bool,
    /// It has much to apply before it leads: nothing is written meanwhile.
    behind: bool,
    /// How far its log goes.
    matched: Option<u64>,
}

/// The nodes by how far their logs go: behind all others those that have much to apply, and last those that would give it away again;
/// without those that could not catch up with `last` in time.
fn best_first(mut nodes: Vec<Successor>, last: Option<u64>) -> Vec<NodeId> {
    let lag = |node: &Successor| last.unwrap_or(0).saturating_sub(node.matched.unwrap_or(0));
    nodes.retain(|node| lag(node) <= limits::SUCCESSOR_LAG);
    nodes.sort_by_key(|node| (node.unwilling, node.behind, lag(node)));
    nodes.into_iter().map(|node| node.id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_advanced_comes_first_and_one_far_behind_not_at_all() {
        let last = limits::SUCCESSOR_LAG + 10;
        let of = |id, matched| Successor { id, unwilling: false, behind: false, matched };
        let nodes = [of(1, Some(last - 1)), of(2, None), of(3, Some(last)), of(4, Some(9)), of(5, Some(10))];
        let unwilling = Successor { unwilling: true, ..of(6, Some(last)) };
        let behind = Successor { behind: true, ..of(7, Some(last)) };
        assert_eq!(
            best_first([unwilling, behind].into_iter().chain(nodes).collect(), Some(last)),
            [3, 1, 5, 7, 6]
        );
        assert_eq!(best_first(vec![of(1, None)], None), [1]);
    }
}
