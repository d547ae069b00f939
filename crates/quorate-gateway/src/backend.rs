use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::BoxStream;
use quorate_api::{Changed, Cluster};
use quorate_core::{
    Answered, Command, Image, ImageId, Job, JobId, JobsPage, JobsQuery, Operation, OperationId, QueueId,
    QueueName, QueueView, Settings, Take, Timestamp, Totals, Unavailable, WorkerView,
};

/// What the gateway needs of the node that it stands in front of: neither Raft nor disk.
///
/// What goes through the log is here; what this node alone can say is in four parts, so that one may stand before another
/// backend and change only what it means to change.
pub trait Backend: Clone + Send + Sync + 'static {
    /// What this node's own copy holds.
    type Reads: Reads;
    /// Who waits for what it will hold.
    type Wakeups: Wakeups;
    /// How this node and its cluster are.
    type Health: NodeHealth;
    /// Who changes the cluster.
    type Admin: NodeAdmin;

    /// Carries a command out, on whatever node leads, and answers once this node has applied it too.
    fn submit(
        &self,
        command: Command,
        within: Duration,
    ) -> impl Future<Output = Result<Answered, Unavailable>> + Send;
    /// Waits until this node has applied everything that was committed when the call began (ReadIndex): a read behind it is
    /// linearizable. Calls that wait at the same time share one question to the leader.
    fn barrier(&self, within: Duration) -> impl Future<Output = Result<(), Unavailable>> + Send;

    /// The first part.
    fn reads(&self) -> &Self::Reads;
    /// The second.
    fn wakeups(&self) -> &Self::Wakeups;
    /// The third.
    fn health(&self) -> &Self::Health;
    /// The fourth.
    fn admin(&self) -> &Self::Admin;
}

/// Reads of this node's own copy, as it is now.
pub trait Reads: Send + Sync {
    /// False for a node that was started and may still be behind what it answered before: a read must pass a barrier
    /// first, or it would go back in time.
    fn caught_up(&self) -> bool;
    /// The log index that reads reflect now.
    fn applied_index(&self) -> u64;
    /// A job's record.
    fn job(&self, id: JobId) -> impl Future<Output = Result<Option<Job>, Unavailable>> + Send;
    /// The payloads of these jobs, in their order; `None` for one that was deleted meanwhile.
    fn payloads(&self, jobs: &[Job]) -> impl Future<Output = Result<Vec<Option<Bytes>>, Unavailable>> + Send;
    /// The log of a finished job; `None` when there is no such job or it has not finished.
    fn log(&self, id: JobId) -> impl Future<Output = Result<Option<Bytes>, Unavailable>> + Send;
    /// A page of jobs.
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
    /// The name of a job's queue. Of a queue that is gone, since its last job went in the moment after it was read, the name
    /// that it had, if the backend still knows it, else the default one's: the job is as good as gone, too.
    fn queue_name(&self, id: QueueId) -> QueueName;
    /// A queue.
    fn queue(&self, name: &QueueName) -> Option<QueueView>;
    /// A page of queues in the order of their names, the default one first, from behind `after`.
    fn queues(&self, after: Option<&QueueName>, n: usize) -> Vec<QueueView>;
    /// A worker that holds jobs.
    fn worker(&self, name: &str) -> Option<WorkerView>;
    /// What all queues come to at that time.
    fn totals(&self, now: Timestamp) -> Totals;
    /// A page of the workers that hold jobs, by name, from behind `after`.
    fn workers(&self, after: Option<&str>, n: usize) -> Vec<WorkerView>;
    /// Work on many jobs.
    fn operation(&self, id: OperationId) -> Option<Arc<Operation>>;
    /// All of it that is remembered, the oldest first.
    fn operations(&self) -> Vec<Arc<Operation>>;
    /// All that it holds when this is first asked, as a backup, piece by piece, as fast as the pieces are taken.
    fn backup(&self) -> BoxStream<'static, Result<Bytes, Unavailable>>;
    /// Log time, as far as this node can tell: what happened lately is counted up to then.
    fn now(&self) -> Timestamp;
    /// True for an Idempotency-Key that stands for an answer.
    fn knows_key(&self, key: &str) -> impl Future<Output = Result<bool, Unavailable>> + Send;
}

/// For who waits for what [`Reads`] will show.
pub trait Wakeups: Send + Sync {
    /// Whose turn it is to look for a job.
    type Turn: Send;

    /// Whether such a consume may find something: a job, and room under the limits of its queue. If not, it would find nothing.
    fn look(&self, take: &Take) -> Look;
    /// Ends when it is this caller's turn to look for a job: first come, first woken, one for each job that it could have. The
    /// caller keeps the turn while it looks, and drops it before it waits again; however it ends, a job that is still there
    /// wakes the next one.
    fn queued_turn(&self, take: &Take) -> impl Future<Output = Self::Turn> + Send;
    /// Ends once an Idempotency-Key stands for an answer here, wherever it was given.
    fn key_spent(&self, key: &str) -> impl Future<Output = Result<(), Unavailable>> + Send;
}

/// What a consumer sees that looks for jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Whether a consume may find something.
    pub found: bool,
    /// The log index at which that was so.
    pub applied: u64,
}

/// How the node and its cluster are.
pub trait NodeHealth: Send + Sync {
    /// True while the Raft core answers.
    fn alive(&self) -> impl Future<Output = bool> + Send;
    /// Why this node should get no requests, for people; `None` while it is a member that has recovered, and reaches a majority
    /// through the leader. Asks, so it may take a second.
    fn unready(&self) -> impl Future<Output = Option<String>> + Send;
    /// True while this node is being drained, and once it was removed: it takes no long polls.
    fn is_draining(&self) -> bool;
    /// Ends when it is.
    fn drains(&self) -> impl Future<Output = ()> + Send;
    /// What this process measures, as Prometheus reads it. Asks no other node.
    fn metrics(&self) -> impl Future<Output = String> + Send;
    /// The cluster as this node sees it, as it is shown.
    fn cluster(&self) -> impl Future<Output = Cluster> + Send;
}

/// Changes of the cluster, wherever the leader is. Each is as good twice as once.
pub trait NodeAdmin: Send + Sync {
    /// Carries an order out; `members_index`: only where that is the log index of the membership.
    fn order(
        &self,
        order: Order,
        members_index: Option<u64>,
        within: Duration,
    ) -> impl Future<Output = Result<Changed, OrderError>> + Send;
}

/// What an operator asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Take a node in.
    Add {
        /// Its name.
        name: String,
        /// Where its peers reach it, where it has not asked itself.
        peer_addr: Option<String>,
        /// The member in whose place it comes.
        replaces: Option<String>,
    },
    /// Take a member away.
    Remove {
        /// Its name.
        name: String,
        /// Also where those that are left survive no failure, and did before.
        force: bool,
    },
    /// Have another voter lead.
    Transfer {
        /// Its name; `None`: the best.
        to: Option<String>,
    },
    /// Have a member give the leadership away and take no long polls.
    Drain {
        /// Its name.
        name: String,
        /// Have it do as before instead.
        undo: bool,
    },
}

/// Why an order is not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderError {
    /// Nothing was done.
    Refused(Refused),
    /// There was no answer.
    Unavailable(Unavailable),
}

/// A refusal, for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// No node is known by that name.
    NoSuchMember(String),
    /// The cluster or the node is not as it would have to be.
    Conflict(String),
}
