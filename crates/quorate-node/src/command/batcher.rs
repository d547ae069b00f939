use bytes::Bytes;
use openraft::alias::OneshotReceiverOf;
use openraft::errors::ClientWriteError;
use openraft::impls::ProgressResponder;
use openraft::raft::ClientWriteResult;
use prost::Message;
use quorate_core::Timestamp;
use quorate_proto::log::v1::PackedBatch;
use quorate_store::{BatchBytes, TypeConfig};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::command::budget::{Budget, Permit};
use crate::command::load::Load;
use crate::command::proposal::{Proposal, Verdict};
use crate::disk::{Disk, NoRoom};
use crate::leadership::Leadership;
use crate::limits;
use crate::metrics::METRICS;
use crate::time::clock::LogClock;
use crate::{Raft, task::Tasks};

/// Where the leader gathers commands, its own and forwarded ones, into log entries. There is no timer: while one entry is under
/// way, the commands for the next one gather. More than one at a time cost more rounds than they save time (docs/performance.md).
/// Each round has its price, so a busy runtime first gets to all that is ready; an idle one comes back at once.
#[derive(Clone)]
pub(crate) struct Batcher {
    queue: mpsc::UnboundedSender<Queued>, // bounded by the budget
    budget: Budget,
    disk: Disk,
}

/// What Raft will say of an entry.
type Written = OneshotReceiverOf<TypeConfig, ClientWriteResult<TypeConfig>>;

/// What goes into an entry.
enum Queued {
    Command { proposal: Proposal, permit: Permit },
    Tick(oneshot::Sender<Verdict>),
}

impl Batcher {
    pub(crate) fn start(
        raft: Raft,
        leadership: Leadership,
        clock: LogClock,
        disk: Disk,
        tasks: &Tasks,
    ) -> Batcher {
        let (queue, queued) = mpsc::unbounded_channel();
        let budget = Budget::new(limits::LEADER_COMMANDS, limits::LEADER_BYTES);
        let batcher = Batcher { queue, budget, disk: disk.clone() };
        let worker = Worker { raft, leadership, clock, disk, queued, held: None };
        tasks.spawn("batcher", worker.run());
        batcher
    }

    /// Takes a proposal, or refuses it at once. One that makes an entry which no frame holds would stop the log.
    pub(crate) fn offer(&self, proposal: Proposal) {
        if proposal.envelope.len() > limits::COMMAND_BYTES {
            return proposal.settle(Verdict::NotUnderstood);
        }
        if let Some(verdict) = self.disk.refusal(proposal.adds_jobs).map(no_room) {
            return proposal.settle(verdict);
        }
        match self.budget.take(proposal.envelope.len(), proposal.adds_jobs) {
            None => proposal.settle(Verdict::Overloaded),
            Some(permit) => {
                // It fails only when this node ends: then the proposal was not made.
                let queued = Queued::Command { proposal, permit };
                if let Err(mpsc::error::SendError(queued)) = self.queue.send(queued) {
                    queued.settle(Verdict::NotLeader);
                }
            }
        }
    }

    /// Proposes an entry even if there are no commands for it: every entry carries out what is due. True when it was applied
    /// here.
    pub(crate) async fn tick(&self) -> bool {
        let (tick, verdict) = oneshot::channel();
        self.queue.send(Queued::Tick(tick)).is_ok() && matches!(verdict.await, Ok(Verdict::Appended))
    }

    /// True while no command is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.budget.taken() == 0
    }

    /// How many commands are gathered or under way at this leader.
    pub(crate) fn taken(&self) -> usize {
        self.budget.taken()
    }
}

struct Worker {
    raft: Raft,
    leadership: Leadership,
    clock: LogClock,
    disk: Disk,
    queued: mpsc::UnboundedReceiver<Queued>,
    /// Did not fit into the last entry.
    held: Option<Queued>,
}

impl Worker {
    async fn run(mut self) {
        loop {
            let first = match self.held.take() {
                Some(held) => held,
                None => match self.queued.recv().await {
                    Some(first) => first,
                    None => return,
                },
            };
            // Requests that have come, here and on other nodes, but were not read yet.
            for _ in 0..limits::GATHER_YIELDS {
                tokio::task::yield_now().await;
            }
            let entry = self.gather(first);
            if !entry.is_empty() {
                let settled = self.propose(entry).await;
                // Only Raft knows whether there is a majority to wait for, and says so when it is asked again.
                let _ = tokio::time::timeout(limits::ENTRY_WAIT, settled).await;
            }
        }
    }

    /// The commands for one entry: what is there now, up to its limits.
    fn gather(&mut self, first: Queued) -> Vec<Queued> {
        let mut load = Load::default();
        let mut entry = Vec::new();
        let mut next = Some(first);
        // It may have filled since they were taken.
        self.disk.look();
        while let Some(queued) = next {
            if let Some(verdict) = queued.refusal(&self.disk) {
                queued.settle(verdict);
            } else if !queued.is_abandoned() {
                if !load.add(queued.load()) {
                    self.held = Some(queued);
                    break;
                }
                entry.push(queued);
            }
            next = self.queued.try_recv().ok();
        }
        entry
    }

    /// Log time at this leader; waits until it has started in its term. `None` when this node does not lead.
    async fn stamp(&self) -> Option<Timestamp> {
        let leader = self.leadership.here()?;
        let mut leadership = self.leadership.clone();
        tokio::select! {
            biased;
            stamp = self.clock.leads(leader.term) => Some(stamp),
            _ = leadership.other_than(Some(leader)) => None,
        }
    }

    /// Proposes an entry. It is settled when it is applied here or will never be, which the future waits for.
    async fn propose(&self, entry: Vec<Queued>) -> impl Future + use<> {
        let begun = Instant::now();
        let proposed = self.write(&entry).await;
        tokio::spawn(async move {
            let verdict = match proposed {
                Ok(written) => verdict(written.await.ok()),
                Err(verdict) => verdict,
            };
            if let Verdict::Appended = verdict {
                METRICS.proposal.record(begun.elapsed());
                METRICS.commands.record(entry.iter().filter_map(Queued::envelope).count() as f64);
            }
            settle(entry, verdict);
        })
    }

    async fn write(&self, entry: &[Queued]) -> Result<Written, Verdict> {
        let stamp = self.stamp().await.ok_or(Verdict::NotLeader)?;
        let batch = PackedBatch {
            stamp_ms: stamp.0,
            envelopes: entry.iter().filter_map(Queued::envelope).cloned().collect(),
        };
        let (responder, written) = ProgressResponder::complete_only();
        let bytes = BatchBytes(batch.encode_to_vec().into());
        match self.raft.write(bytes).responder(responder).await {
            Ok(()) => Ok(written),
            Err(_) => Err(Verdict::Unknown),
        }
    }
}

/// What Raft says of an entry; none where it has ended.
fn verdict(written: Option<ClientWriteResult<TypeConfig>>) -> Verdict {
    match written {
        Some(Ok(_)) => Verdict::Appended,
        Some(Err(ClientWriteError::ForwardToLeader(_))) => Verdict::NotLeader,
        // Discarded from the log of a leader that was deposed: another one may have it. The other two belong
        // to membership changes.
        Some(Err(
            ClientWriteError::LogEntryDiscarded(_)
            | ClientWriteError::ChangeMembershipError(_)
            | ClientWriteError::PreconditionFailed(_),
        )) => Verdict::Unknown,
        None => Verdict::Unknown,
    }
}

impl Queued {
    fn envelope(&self) -> Option<&Bytes> {
        match self {
            Queued::Command { proposal, .. } => Some(&proposal.envelope),
            Queued::Tick(_) => None,
        }
    }

    fn load(&self) -> Load {
        match self {
            Queued::Command { proposal, .. } => {
                Load { commands: 1, bytes: proposal.envelope.len(), jobs: proposal.jobs }
            }
            Queued::Tick(_) => Load { commands: 1, bytes: 0, jobs: 0 },
        }
    }

    /// Why it is not appended, by the disk. A tick is small, and makes room.
    fn refusal(&self, disk: &Disk) -> Option<Verdict> {
        match self {
            Queued::Command { proposal, .. } => disk.refusal(proposal.adds_jobs).map(no_room),
            Queued::Tick(_) => None,
        }
    }

    fn is_abandoned(&self) -> bool {
        match self {
            Queued::Command { proposal, .. } => proposal.is_abandoned(),
            Queued::Tick(ticker) => ticker.is_closed(),
        }
    }

    fn settle(self, verdict: Verdict) {
        match self {
            Queued::Command { proposal, permit } => {
                proposal.settle(verdict);
                drop(permit);
            }
            // It may have ended.
            Queued::Tick(ticker) => drop(ticker.send(verdict)),
        }
    }
}

fn no_room(reason: NoRoom) -> Verdict {
    match reason {
        NoRoom::Here => Verdict::DiskFull,
        NoRoom::Successor => Verdict::NotLeader,
    }
}

fn settle(entry: Vec<Queued>, verdict: Verdict) {
    for queued in entry {
        queued.settle(verdict);
    }
}
