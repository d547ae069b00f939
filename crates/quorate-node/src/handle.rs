use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use openraft::LogIdOptionExt;
use openraft::async_runtime::WatchReceiver;
use quorate_core::{Answered, Command, Take, Timestamp, Unavailable};
use quorate_store::{Meter, Reader, StoreError};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::DiskState;
use crate::cluster::not_yet::NO_MAJORITY;
use crate::cluster::order::{Done, Order, OrderError, bring, drain};
use crate::cluster::peers::Peers;
use crate::cluster::status::{self, Cluster};
use crate::group::Group;
use crate::limits;
use crate::read::turns::{Look, Turn};

/// One member of the cluster, for those who use it. Cheap to clone.
#[derive(Clone)]
pub struct Handle(Arc<Inner>);

struct Inner {
    group: Group,
    reader: Reader,
    meter: Meter,
}

impl Handle {
    pub(crate) fn new(group: Group, reader: Reader, meter: Meter) -> Handle {
        Handle(Arc::new(Inner { group, reader, meter }))
    }

    pub(crate) fn group(&self) -> &Group {
        &self.0.group
    }

    pub(crate) fn meter(&self) -> &Meter {
        &self.0.meter
    }

    /// Carries a command out, on whatever node leads, and answers once this node has applied it too.
    ///
    /// # Errors
    /// See [`Unavailable`]. A refusal by the state machine is an answer, not an error.
    pub async fn submit(&self, command: Command, within: Duration) -> Result<Answered, Unavailable> {
        self.0.group.intake.submit(command, within).await
    }

    /// Waits until this node has applied everything that was committed when the call began: a read behind it is
    /// linearizable. Calls that wait at the same time share one question to the leader.
    ///
    /// # Errors
    /// [`Unavailable::NotApplied`] when no majority could be reached in time, [`Unavailable::NotMember`],
    /// [`Unavailable::Stopping`].
    pub async fn barrier(&self, within: Duration) -> Result<(), Unavailable> {
        let Peers { station, leadership, .. } = &self.0.group.peers;
        if station.is_no_member() || !leadership.has_members() {
            return Err(Unavailable::NotMember);
        }
        self.0.group.read_index.barrier(within).await
    }

    /// True once this node shows at least what it had answered before it was started: until then, and once it was removed, a read
    /// needs a [`Handle::barrier`].
    pub fn caught_up(&self) -> bool {
        self.0.group.recovered.load(Ordering::Relaxed) && !self.0.group.peers.station.is_removed()
    }

    /// Reads of this node's own table, as it is now.
    pub fn reader(&self) -> &Reader {
        &self.0.reader
    }

    /// Log time, as far as this node can tell: that of its table, or what goes on from there.
    pub fn log_time(&self) -> Timestamp {
        let known = self.0.group.peers.process.clock.now();
        known.unwrap_or_default().max(self.0.reader.clock())
    }

    /// Whether such a consume may find something in this node's own table: a job, and room under the limits of its queue.
    pub fn look(&self, take: &Take) -> Look {
        self.0.group.turns.look(take)
    }

    /// Ends when it is this caller's turn to look for a job: first come, first woken, one for each job that it could have.
    /// The caller keeps the [`Turn`] while it looks; when it is dropped, a job that is still there wakes the next one.
    pub async fn queued_turn(&self, take: &Take) -> Turn {
        self.0.group.turns.next(take).await
    }

    /// Ends once an Idempotency-Key stands for an answer in this node's own table.
    ///
    /// # Errors
    /// The table cannot be read.
    pub async fn key_spent(&self, key: &str) -> Result<(), StoreError> {
        loop {
            // In this order, so that none is missed that is spent between the two.
            let watched = self.0.group.spent_keys.watch(key);
            if self.0.reader.knows_key(key).await? {
                return Ok(());
            }
            watched.told().await;
        }
    }

    /// The cluster as this node sees it. Asks the other members, so it may take a second.
    pub async fn cluster(&self) -> Cluster {
        status::cluster(&self.0.group.peers, self.0.reader.level()).await
    }

    /// True while the Raft core answers.
    pub async fn alive(&self) -> bool {
        let answer = self.0.group.raft.with_raft_state(|_| ());
        matches!(tokio::time::timeout(limits::ALIVE, answer).await, Ok(Ok(())))
    }

    /// Why this node should get no requests now: `None` while it has recovered what it had before it started, reaches a majority
    /// through the leader, and the last write that was to be answered here was, or one that is tried now. Asks, so it may take
    /// [`limits::READY`].
    ///
    /// That a leader is known is not enough: a node that is cut off goes on knowing the last one. Nor is it that a majority follows
    /// the leader, if nothing gets into their logs.
    pub async fn unready(&self) -> Option<Unready> {
        let peers = &self.0.group.peers;
        let (station, until) = (&peers.station, Instant::now() + limits::READY);
        let left = || until.saturating_duration_since(Instant::now());
        let hints = || peers.refused_by() + &peers.snapshot_refusal.in_words();
        if station.is_removed() {
            return Some(Unready::Removed);
        }
        if station.applies() || !peers.is_initialised() {
            let for_what = station.waits_for().unwrap_or_else(|| "the nodes of its --peers".to_owned());
            return Some(Unready::Applies(for_what + &peers.snapshot_refusal.in_words()));
        }
        if station.is_draining() {
            return Some(Unready::Draining);
        }
        // A membership that it knows may be one to which no majority has agreed.
        let Some(index) = self.0.group.read_index.told(left()).await else {
            return Some(Unready::NoMajority(hints()));
        };
        match () {
            () if !self.caught_up() => Some(Unready::NotRecovered(hints())),
            () if !self.0.group.read_index.reaches(index, left()).await => Some(Unready::Behind(hints())),
            () if !self.0.group.intake.writes(until).await => Some(Unready::NoWrites),
            () => None,
        }
    }

    /// True while this node may get requests.
    pub async fn ready(&self) -> bool {
        self.unready().await.is_none()
    }

    /// Has the leader carry out what an operator asks, where the log index of the membership is the `expected` one, if any is.
    ///
    /// # Errors
    /// It is refused, or the leader gives no answer in time.
    pub async fn order(
        &self,
        order: Order,
        expected: Option<u64>,
        within: Duration,
    ) -> Result<Done, OrderError> {
        bring::bring(&self.0.group.orders, order, expected, within).await
    }

    /// Has a member give the leadership away and take no long polls, until it is started again or `undo` is asked for.
    ///
    /// # Errors
    /// There is no such member, or it does not answer.
    pub async fn drain(&self, name: &str, undo: bool) -> Result<Done, OrderError> {
        drain::drain(&self.0.group.peers, &self.0.group.drain, name, undo).await
    }

    /// Follows whether this node takes leave of those who wait: it is being drained, or was removed.
    pub fn watch_waits(&self) -> watch::Receiver<bool> {
        self.0.group.peers.station.watch_waits()
    }

    /// Numbers for whoever watches this node.
    pub fn gauges(&self) -> Gauges {
        let data = self.0.group.raft.data_metrics().borrow_watched().clone();
        let server = self.0.group.raft.server_metrics().borrow_watched().clone();
        let others = self.0.group.peers.other_voters();
        Gauges {
            term: server.vote.leader_id.term,
            leads: self.0.group.peers.leadership.here().is_some(),
            first_log_index: data.purged.index().map_or(0, |purged| purged + 1),
            last_log_index: data.last_log.index().unwrap_or(0),
            committed_index: data.local_committed.index().unwrap_or(0),
            applied_index: self.0.reader.applied_index(),
            snapshot_index: data.snapshot.index().unwrap_or(0),
            requests_waiting: self.0.group.intake.waiting(),
            commands_at_leader: self.0.group.intake.batcher.taken(),
            disk: self.0.group.peers.process.disk.state(),
            disk_free: self.0.group.peers.process.disk.room(),
            clock_offset_ms: self.0.group.peers.process.clock.own_offset_ms(&others),
            log_time_offset_ms: self.0.group.peers.process.clock.log_time_offset_ms(&others),
            removed: self.0.group.peers.station.is_removed(),
            draining: self.0.group.peers.station.is_draining(),
        }
    }
}

/// How one node is doing, in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gauges {
    /// Raft's term.
    pub term: u64,
    /// This node leads.
    pub leads: bool,
    /// The beginning of its log: what was before is purged, since a snapshot has it.
    pub first_log_index: u64,
    /// The end of its log.
    pub last_log_index: u64,
    /// The last entry that it knows to be committed.
    pub committed_index: u64,
    /// The log index that its table reflects.
    pub applied_index: u64,
    /// The log index of its last snapshot; 0 before the first.
    pub snapshot_index: u64,
    /// Commands that were taken here and wait for their answer.
    pub requests_waiting: usize,
    /// Commands, forwarded ones included, that are gathered or under way at this leader.
    pub commands_at_leader: usize,
    /// How its disk is.
    pub disk: DiskState,
    /// The free bytes of its disk, the ballast included.
    pub disk_free: u64,
    /// By how many milliseconds this node's wall clock is ahead of the members' median.
    pub clock_offset_ms: i64,
    /// By how many milliseconds log time is ahead of that median; `None` while one of them is not known.
    pub log_time_offset_ms: Option<i64>,
    /// This node was removed from the cluster: it takes part in nothing any more.
    pub removed: bool,
    /// This node is being drained.
    pub draining: bool,
}

/// Why a node should get no requests.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unready {
    /// It was removed.
    #[error(
        "this node was removed from the cluster: stop it; to have it join again, wipe its data directory"
    )]
    Removed,
    /// It is no member: what it waits for.
    #[error("this node is not a member yet; it waits for {0}")]
    Applies(String),
    /// It is being drained.
    #[error("this node is being drained, until it is started again or undrained")]
    Draining,
    /// It does not know yet what it had answered before it was started; with what keeps it from the others, where that is known.
    #[error("this node has not recovered yet what it had before it was started{0}")]
    NotRecovered(String),
    /// It follows a leader, and has not applied what that one has committed; with what keeps it from that, where it is known.
    #[error("this node is behind: a leader answers it, and it has not applied yet what a majority has{0}")]
    Behind(String),
    /// It reaches no majority; with what keeps it from the others, where that is known.
    #[error("this node reaches no majority through a leader: {hint}{0}", hint = NO_MAJORITY)]
    NoMajority(String),
    /// A write through it is not answered.
    #[error("writes through this node are not answered, although it reaches a majority")]
    NoWrites,
}
