use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use quorate_core::{
    Answered, Command, Image, ImageId, Job, JobId, JobsPage, JobsQuery, QueueId, Settings, Unavailable,
};

/// What the gateway needs of the node that it stands in front of, in the core's types: neither Raft nor disk.
///
/// Reads are served from this node's own copy, as it is now. [`Backend::barrier`] before a read makes it linearizable.
pub trait Backend: Clone + Send + Sync + 'static {
    /// Whose turn it is to look for a job: see [`Backend::queued_turn`].
    type Turn: Send;

    /// Carries a command out, on whatever node leads, and answers once this node has applied it too.
    fn submit(
        &self,
        command: Command,
        within: Duration,
    ) -> impl Future<Output = Result<Answered, Unavailable>> + Send;
    /// Waits until this node has applied everything that was committed when the call began (ReadIndex). Calls that
    /// wait at the same time share one question to the leader.
    fn barrier(&self, within: Duration) -> impl Future<Output = Result<(), Unavailable>> + Send;
    /// False for a node that was started and may still be behind what it answered before: a read must pass a barrier
    /// first, or it would go back in time.
    fn caught_up(&self) -> bool;
    /// The log index that reads reflect now.
    fn applied_index(&self) -> u64;

    /// True for an Idempotency-Key that stands for an answer here.
    fn knows_key(&self, key: &str) -> impl Future<Output = Result<bool, Unavailable>> + Send;
    /// Ends once an Idempotency-Key stands for an answer here, wherever it was given.
    fn key_spent(&self, key: &str) -> impl Future<Output = Result<(), Unavailable>> + Send;
    /// A job's record.
    fn job(&self, id: JobId) -> impl Future<Output = Result<Option<Job>, Unavailable>> + Send;
    /// The payloads of these jobs, in their order; `None` for one that was deleted meanwhile.
    fn payloads(&self, jobs: &[Job]) -> impl Future<Output = Result<Vec<Option<Bytes>>, Unavailable>> + Send;
    /// The log of a finished job; `None` when there is no such job or it has not finished.
    fn log(&self, id: JobId) -> impl Future<Output = Result<Option<Bytes>, Unavailable>> + Send;
    /// A page of jobs, newest first.
    fn jobs(&self, query: JobsQuery) -> impl Future<Output = Result<JobsPage, Unavailable>> + Send;
    /// At most `n` ids of jobs from `first` to `last`, in ascending order.
    fn ids(
        &self,
        first: JobId,
        last: JobId,
        n: usize,
    ) -> impl Future<Output = Result<Vec<JobId>, Unavailable>> + Send;
    /// An image.
    fn image(&self, id: ImageId) -> impl Future<Output = Result<Option<Image>, Unavailable>> + Send;
    /// A page of images by id, from behind `after`.
    fn images(
        &self,
        n: usize,
        after: Option<ImageId>,
    ) -> impl Future<Output = Result<Vec<Image>, Unavailable>> + Send;
    /// The cluster's settings.
    fn settings(&self) -> Settings;

    /// How many jobs are queued here, as far as a consumer cares: 0 means that a consume would find nothing.
    fn queued(&self, queue: QueueId) -> u64;
    /// Ends when it is this caller's turn to look for a job: first come, first woken, one for each job that is queued. The
    /// caller keeps the turn while it looks, and drops it before it waits again; however it ends, a job that is still there
    /// wakes the next one.
    fn queued_turn(&self, queue: QueueId) -> impl Future<Output = Self::Turn> + Send;

    /// The cluster as this node sees it.
    fn cluster(&self) -> impl Future<Output = Cluster> + Send;
    /// True while the Raft core answers.
    fn alive(&self) -> impl Future<Output = bool> + Send;
    /// True while this node has recovered and reaches a majority through the leader. Asks, so it may take a second.
    fn ready(&self) -> impl Future<Output = bool> + Send;
}

/// The cluster as one node sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cluster {
    /// The cluster's id; empty before its bootstrap.
    pub id: String,
    /// The node that answers.
    pub node: String,
    /// The leader's name, if one is known.
    pub leader: Option<String>,
    /// Raft's term.
    pub term: u64,
    /// By how many milliseconds log time is ahead of the median of the members' wall clocks, where known.
    pub log_time_offset_ms: Option<i64>,
    /// What its members may write into the log, a number that grows with the versions.
    pub feature_level: u32,
    /// Every member, by name.
    pub members: Vec<Member>,
    /// Voters that must agree.
    pub quorum: usize,
    /// Voters that may fail now without stopping the cluster.
    pub tolerates: usize,
}

/// A member of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its id, drawn when its data directory was made.
    pub id: u64,
    /// `leader`, `follower` or `learner`.
    pub role: &'static str,
    /// Where peers reach it.
    pub peer_addr: String,
    /// Where clients reach it.
    pub http_addr: String,
    /// The log index that it has applied, or that the leader knows it to have; `None` where unknown.
    pub applied_index: Option<u64>,
    /// False when it did not answer lately.
    pub reachable: bool,
    /// Its wall clock's difference to the answering node's in milliseconds, where known.
    pub clock_offset_ms: Option<i64>,
    /// The feature level that its program understands, where known.
    pub feature_level: Option<u32>,
    /// The version of its program, where known.
    pub version: Option<String>,
    /// How long it has run, where known.
    pub uptime: Option<Duration>,
    /// The disk of its data directory; `None` where unknown.
    pub disk: Option<Disk>,
}

/// How a member's disk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disk {
    /// `room`, `short` or `full`.
    pub state: &'static str,
    /// Its free bytes, what the node keeps for itself included.
    pub free_bytes: u64,
}
