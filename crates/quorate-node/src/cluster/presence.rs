use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use quorate_proto::peer::v1::DiscoverResponse;
use quorate_store::{Node, NodeId};
use tokio::time::Instant;

use crate::leadership::Leadership;
use crate::metrics::METRICS;

/// The members that do not answer, and since when: said once for each change. What openraft says of them, with every attempt
/// that fails, is filtered out by default.
/// A clone is the same list.
#[derive(Clone, Default)]
pub(crate) struct Absent(Arc<Mutex<BTreeMap<NodeId, Instant>>>);

impl Absent {
    /// How long this member has not answered, as far as this node knows.
    pub(crate) fn lasts(&self, id: NodeId) -> Duration {
        self.0.lock().get(&id).map_or(Duration::ZERO, Instant::elapsed)
    }

    /// Takes what the addresses of all members have answered.
    pub(crate) fn note(
        &self,
        members: &[(NodeId, Node)],
        addrs: &[String],
        answers: &[Option<DiscoverResponse>],
    ) {
        let mut all = self.0.lock();
        all.retain(|absent, _| members.iter().any(|(id, _)| id == absent));
        for (id, node) in members {
            let (name, addr) = (&node.name, &node.peer_addr);
            // It may have moved.
            if answers.iter().flatten().any(|answer| answer.node_id == *id) {
                if let Some(since) = all.remove(id) {
                    let seconds = since.elapsed().as_secs();
                    tracing::info!(name, addr, node_id = id, seconds, "a member answers again");
                }
            } else if !all.contains_key(id) {
                all.insert(*id, Instant::now());
                let at = addrs.iter().position(|addr| *addr == node.peer_addr);
                match at.and_then(|at| answers.get(at)?.as_ref()) {
                    None => tracing::warn!(name, addr, node_id = id, "a member does not answer"),
                    Some(other) => tracing::warn!(
                        name,
                        addr,
                        node_id = id,
                        other_id = other.node_id,
                        "another node answers in a member's place"
                    ),
                }
            }
        }
    }
}

/// Says who leads, and counts it, once for each change.
pub(crate) async fn say_who_leads(mut leadership: Leadership) {
    let mut leader = None;
    loop {
        leader = leadership.other_than(leader).await;
        match leader {
            Some(leader) => {
                METRICS.leader_changes.increment(1);
                let stored = leadership.membership();
                let name = stored.membership().get_node(&leader.id).map(|node| node.name.as_str());
                tracing::info!(name, node_id = leader.id, term = leader.term, "a leader is known");
            }
            None => tracing::info!("no leader is known"),
        }
    }
}
