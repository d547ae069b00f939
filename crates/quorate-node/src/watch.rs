use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use quorate_proto::peer::v1::DiscoverResponse;

use crate::Raft;
use crate::limits;
use crate::peers::Peers;

/// Asks the other members now and then: how late it is by their clocks, and whether this node is still one of them.
pub(crate) struct Watch {
    pub(crate) peers: Peers,
    pub(crate) raft: Raft,
    /// True once this node was removed from the membership.
    pub(crate) removed: Arc<AtomicBool>,
}

impl Watch {
    pub(crate) async fn run(self) {
        let mut round = tokio::time::interval(limits::WATCH);
        round.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut clock_is_off = false;
        loop {
            round.tick().await;
            let answers = self.peers.ask_all(&self.peers.addresses()).await;
            self.look_for_removal(answers.iter().flatten());

            let offset = self.peers.clock.own_offset_ms();
            let off = offset.unsigned_abs() > limits::CLOCK_OFFSET_MILLIS;
            if off && !clock_is_off {
                tracing::warn!(offset_ms = offset, "this node's wall clock is off the members' median");
            }
            if clock_is_off && !off {
                tracing::info!("this node's wall clock agrees with the members' again");
            }
            clock_is_off = off;
        }
    }

    /// A leader that has applied the membership in which this node was, and has it no more, has removed it.
    fn look_for_removal<'a>(&self, answers: impl Iterator<Item = &'a DiscoverResponse>) {
        let stored = self.peers.leadership.membership();
        let was_member = stored.membership().get_node(&self.peers.identity.node_id).is_some();
        let Some(log_id) = stored.log_id().filter(|_| was_member) else { return };
        for answer in answers {
            let knows = answer.leads
                && self.peers.cluster_id() == Some(answer.cluster_id.as_str())
                && answer.applied_index >= log_id.index;
            if !knows {
                continue;
            }
            let removed = !answer.knows_asker;
            if self.removed.swap(removed, Ordering::Relaxed) != removed {
                // It would only disturb the others.
                self.raft.runtime_config().elect(!removed);
                if removed {
                    tracing::error!(
                        node_id = self.peers.identity.node_id,
                        leader = answer.name,
                        "this node was removed from the cluster: it takes part in no election any more"
                    );
                }
            }
        }
    }
}
