use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::hosts::Node;
use crate::recorder::Recorder;

/// What all clients of a run share.
pub(crate) struct Shared {
    pub(crate) recorder: Recorder,
    pub(crate) nodes: Vec<Node>,
    /// Nodes that clients leave alone: a wiped one, until it has caught up with what its predecessor had answered.
    pub(crate) closed: Vec<AtomicBool>,
    /// Consumes that wait now, of clients.
    pub(crate) waiting: AtomicU32,
    /// Bytes of large jobs that were acknowledged.
    pub(crate) bulk: AtomicU64,
    rounds: AtomicBool,
    phase: Mutex<Phase>,
}

/// What the clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// All kinds of requests.
    Work,
    /// Nothing new: the queue is emptied for a round.
    Empty,
    /// Each waits for a job, for the round of this number.
    Gather(u32),
    /// Jobs come, and no further consumes: one that is sent now would take what should have gone to one that sleeps.
    Wait,
    /// Keys that have had their jobs are sent again, while jobs are queued that nobody takes.
    Repeat(u32),
    /// Nothing: the queues are counted.
    Count,
    /// Only what empties the queue, to the last job.
    Drain,
    Stop,
}

impl Shared {
    pub(crate) fn new(recorder: Recorder, nodes: &[Node]) -> Shared {
        Shared {
            recorder,
            nodes: nodes.to_vec(),
            closed: nodes.iter().map(|_| AtomicBool::new(false)).collect(),
            waiting: AtomicU32::new(0),
            bulk: AtomicU64::new(0),
            rounds: AtomicBool::new(true),
            phase: Mutex::new(Phase::Work),
        }
    }

    pub(crate) fn enter(&self, phase: Phase) {
        *self.phase.lock() = phase;
    }

    pub(crate) fn phase(&self) -> Phase {
        *self.phase.lock()
    }

    /// False when no more rounds are to begin.
    pub(crate) fn has_rounds(&self) -> bool {
        self.rounds.load(Ordering::Acquire)
    }

    pub(crate) fn end_rounds(&self) {
        self.rounds.store(false, Ordering::Release);
    }

    /// True where clients may ask the node.
    pub(crate) fn is_open(&self, node: usize) -> bool {
        !self.closed[node].load(Ordering::Acquire)
    }
}
