use std::collections::VecDeque;

use quorate_core::model::Model;
use quorate_core::{Answered, Batch, Envelope, Timestamp, apply, limits, next_due_at};

/// The nodes' names.
pub(super) const NAMES: [&str; 3] = ["n1", "n2", "n3"];

/// Nodes that apply one log, each at its own pace.
pub(super) struct Cluster {
    /// Entries that not every node has applied.
    log: VecDeque<(u64, Batch)>,
    /// The last entry.
    pub(super) committed: u64,
    pub(super) nodes: [Node; 3],
    /// What the leader will put into the next entry.
    pub(super) proposed: Vec<Envelope>,
}

/// One replica.
#[derive(Default)]
pub(super) struct Node {
    pub(super) model: Model,
    pub(super) applied: u64,
}

impl Cluster {
    pub(super) fn new() -> Cluster {
        Cluster { log: VecDeque::new(), committed: 0, nodes: Default::default(), proposed: Vec::new() }
    }

    /// Commits what was proposed, or a tick if something is due; `gap` entries of Raft's own come before it.
    pub(super) fn commit(&mut self, stamp: Timestamp, gap: u64) {
        let most = self.proposed.len().min(limits::COMMANDS_PER_ENTRY);
        let envelopes: Vec<Envelope> = self.proposed.drain(..most).collect();
        let newest = self.nodes.iter_mut().max_by_key(|node| node.applied).expect("there are nodes");
        let Ok(due) = next_due_at(&mut newest.model);
        if envelopes.is_empty() && due.is_none_or(|due| due > stamp) {
            return;
        }
        self.committed += 1 + gap;
        self.log.push_back((self.committed, Batch { stamp, envelopes }));
    }

    /// Lets a node apply up to so many entries; the answers with their entry.
    pub(super) fn advance(&mut self, node: usize, entries: usize) -> Vec<Answered> {
        let replica = &mut self.nodes[node];
        let mut answers = Vec::new();
        let behind = self.log.partition_point(|(index, _)| *index <= replica.applied);
        for (index, batch) in self.log.iter().skip(behind).take(entries) {
            let Ok(applied) = apply(&mut replica.model, *index, batch);
            replica.applied = *index;
            answers.extend(applied.answers);
        }
        let slowest = self.nodes.iter().map(|node| node.applied).min().unwrap_or(0);
        while self.log.front().is_some_and(|(index, _)| *index <= slowest) {
            self.log.pop_front();
        }
        answers
    }
}
