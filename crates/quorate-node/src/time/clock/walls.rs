use std::collections::BTreeMap;
use std::time::Duration;

use quorate_store::NodeId;

use crate::limits;

/// The wall clocks of the other nodes, as they were seen last.
#[derive(Default)]
pub(super) struct Walls(BTreeMap<NodeId, Reading>);

struct Reading {
    /// Milliseconds since the epoch,
    wall_ms: u64,
    /// at this uptime of the machine that saw it: so no step of that machine's own wall clock moves it.
    at: Duration,
    /// How long it took to ask.
    round_trip: Duration,
}

impl Walls {
    /// The question left `round_trip` before `at`.
    pub(super) fn saw(&mut self, peer: NodeId, wall_ms: u64, at: Duration, round_trip: Duration) {
        let wall_ms = wall_ms.saturating_add(millis(round_trip / 2));
        self.0.insert(peer, Reading { wall_ms, at, round_trip });
    }

    /// How long the last question to a node took, if that was lately.
    pub(super) fn round_trip(&self, peer: NodeId, uptime: Duration) -> Option<Duration> {
        let reading = self.0.get(&peer)?;
        (uptime.saturating_sub(reading.at) <= limits::CLOCK_AGE).then_some(reading.round_trip)
    }

    /// A node's wall clock now, if it was seen lately.
    pub(super) fn of(&self, peer: NodeId, uptime: Duration) -> Option<u64> {
        let reading = self.0.get(&peer)?;
        let passed = uptime.saturating_sub(reading.at);
        (passed <= limits::CLOCK_AGE).then(|| reading.wall_ms.saturating_add(millis(passed)))
    }

    /// The median of this node's wall clock and of those that were seen lately of the `others`. Of two in the middle it
    /// is the earlier one: time that lags makes a timer late, time that leads would make it early.
    pub(super) fn median(&self, own_ms: u64, others: &[NodeId], uptime: Duration) -> u64 {
        middle(self.seen(own_ms, others, uptime))
    }

    /// The same, if a majority of all of them was seen.
    pub(super) fn majority_median(&self, own_ms: u64, others: &[NodeId], uptime: Duration) -> Option<u64> {
        let seen = self.seen(own_ms, others, uptime);
        is_majority(&seen, others).then(|| middle(seen))
    }

    /// The latest of them, if a majority of all was seen.
    pub(super) fn majority_latest(&self, own_ms: u64, others: &[NodeId], uptime: Duration) -> Option<u64> {
        let seen = self.seen(own_ms, others, uptime);
        if is_majority(&seen, others) { seen.into_iter().max() } else { None }
    }

    fn seen(&self, own_ms: u64, others: &[NodeId], uptime: Duration) -> Vec<u64> {
        others.iter().filter_map(|id| self.of(*id, uptime)).chain([own_ms]).collect()
    }
}

/// Of the others and this node.
fn is_majority(seen: &[u64], others: &[NodeId]) -> bool {
    seen.len() > others.len().div_ceil(2)
}

fn middle(mut walls: Vec<u64>) -> u64 {
    walls.sort_unstable();
    walls[(walls.len() - 1) / 2]
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
