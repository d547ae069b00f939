//! What is measured of jobs, of Raft and of this node: each name with its unit and its meaning, and a handle where it is counted
//! as it happens. The others are read when somebody looks: `meter.rs`.

use std::sync::LazyLock;

use metrics::{
    Counter, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, histogram,
};
use quorate_core::{Change, Reason, Status};

const ENQUEUED: &str = "quorate_jobs_enqueued_total";
const RETRIED: &str = "quorate_jobs_retried_total";
const GRANTED: &str = "quorate_jobs_granted_total";
const FINISHED: &str = "quorate_jobs_finished_total";
const TIMED_OUT: &str = "quorate_jobs_timed_out_total";
const EXPIRED: &str = "quorate_jobs_expired_total";
const DELETED: &str = "quorate_jobs_deleted_total";
const LEADER_CHANGES: &str = "quorate_raft_leader_changes_total";
const COMMANDS: &str = "quorate_raft_commands_per_entry";
const PROPOSAL: &str = "quorate_raft_proposal_seconds";

pub(crate) const JOBS: &str = "quorate_jobs";
pub(crate) const QUEUED: &str = "quorate_jobs_queued";
pub(crate) const OLDEST: &str = "quorate_jobs_oldest_queued_seconds";
pub(crate) const OVERDUE: &str = "quorate_jobs_overdue_seconds";
pub(crate) const QUEUES: &str = "quorate_queues";
pub(crate) const QUEUE_JOBS: &str = "quorate_queue_jobs";
pub(crate) const QUEUE_OLDEST: &str = "quorate_queue_oldest_queued_seconds";
pub(crate) const QUEUE_PAUSED: &str = "quorate_queue_paused";
pub(crate) const TERM: &str = "quorate_raft_term";
pub(crate) const ROLE: &str = "quorate_raft_role";
pub(crate) const IS_LEADER: &str = "quorate_raft_is_leader";
pub(crate) const QUORUM_SILENCE: &str = "quorate_raft_quorum_silence_seconds";
pub(crate) const VOTERS: &str = "quorate_raft_voters";
pub(crate) const FIRST: &str = "quorate_raft_first_log_index";
pub(crate) const LAST: &str = "quorate_raft_last_log_index";
pub(crate) const COMMITTED: &str = "quorate_raft_committed_index";
pub(crate) const APPLIED: &str = "quorate_raft_applied_index";
pub(crate) const COMMIT_LAG: &str = "quorate_raft_commit_lag_entries";
pub(crate) const APPLY_LAG: &str = "quorate_raft_apply_lag_entries";
pub(crate) const SNAPSHOT: &str = "quorate_snapshot_index";
pub(crate) const PEER_LAG: &str = "quorate_raft_peer_lag_entries";
pub(crate) const PEER_ROUND_TRIP: &str = "quorate_peer_round_trip_seconds";
pub(crate) const COMMANDS_WAITING: &str = "quorate_commands_waiting";
pub(crate) const COMMANDS_AT_LEADER: &str = "quorate_commands_at_leader";
pub(crate) const RECOVERED: &str = "quorate_node_recovered";
pub(crate) const REMOVED: &str = "quorate_node_removed";
pub(crate) const DRAINING: &str = "quorate_node_draining";
pub(crate) const CLOCK_OFFSET: &str = "quorate_clock_offset_seconds";
pub(crate) const LOG_TIME_OFFSET: &str = "quorate_log_time_offset_seconds";
pub(crate) const DISK_FREE: &str = "quorate_disk_free_bytes";
pub(crate) const DISK_TOTAL: &str = "quorate_disk_total_bytes";
pub(crate) const DISK_STATE: &str = "quorate_disk_state";

/// What is counted as it happens.
pub(crate) static METRICS: LazyLock<Metrics> = LazyLock::new(|| {
    let error = |reason: Reason| counter!(FINISHED, "outcome" => "error", "reason" => reason.as_str());
    Metrics {
        enqueued: counter!(ENQUEUED),
        retried: counter!(RETRIED),
        granted: counter!(GRANTED),
        success: counter!(FINISHED, "outcome" => "success", "reason" => ""),
        cancelled: counter!(FINISHED, "outcome" => "cancelled", "reason" => ""),
        timeout: error(Reason::Timeout),
        killed: error(Reason::Killed),
        bad_exit: error(Reason::BadExit),
        timed_out: counter!(TIMED_OUT),
        expired: counter!(EXPIRED),
        deleted: counter!(DELETED),
        leader_changes: counter!(LEADER_CHANGES),
        commands: histogram!(COMMANDS),
        proposal: histogram!(PROPOSAL),
    }
});

/// A handle each, which costs some nanoseconds to use.
pub(crate) struct Metrics {
    enqueued: Counter,
    retried: Counter,
    granted: Counter,
    success: Counter,
    cancelled: Counter,
    timeout: Counter,
    killed: Counter,
    bad_exit: Counter,
    timed_out: Counter,
    expired: Counter,
    deleted: Counter,
    pub(crate) leader_changes: Counter,
    pub(crate) commands: Histogram,
    pub(crate) proposal: Histogram,
}

impl Metrics {
    /// Counts what has become of a job, where it is applied.
    pub(crate) fn count(&self, change: &Change) {
        match (change.from, change.to) {
            (None, Some(_)) if change.goes_on => self.retried.increment(1),
            (None, _) => self.enqueued.increment(1),
            (Some(_), None) if change.by_time => self.expired.increment(1),
            (Some(_), None) => self.deleted.increment(1),
            (Some(_), Some(status)) => self.count_status(status, change),
        }
    }

    fn count_status(&self, status: Status, change: &Change) {
        match status {
            Status::Delayed | Status::Queued => {}
            Status::Running => self.granted.increment(1),
            Status::Success => self.success.increment(1),
            Status::Cancelled => self.cancelled.increment(1),
            Status::Error => {
                if change.by_time {
                    self.timed_out.increment(1);
                }
                match change.reason {
                    Some(Reason::Timeout) => self.timeout.increment(1),
                    Some(Reason::Killed) => self.killed.increment(1),
                    Some(Reason::BadExit) | None => self.bad_exit.increment(1),
                }
            }
        }
    }
}

/// Makes what is counted known to the recorder of this process, before the first of it is: that of the log and the table, too.
pub fn register_metrics() {
    quorate_store::register_metrics();
    describe_here();
    LazyLock::force(&METRICS);
}

/// Says what each name means.
pub(crate) fn describe() {
    quorate_store::describe_metrics();
    describe_here();
}

fn describe_here() {
    describe_jobs();
    describe_raft();
    describe_node();
}

fn describe_jobs() {
    describe_gauge!(
        JOBS,
        Unit::Count,
        "Jobs by status, of all queues. The same on every node that has applied the same."
    );
    describe_gauge!(QUEUED, Unit::Count, "Queued jobs by priority, of all queues.");
    describe_gauge!(
        OLDEST,
        Unit::Seconds,
        "How long the job waits that has waited longest, of all queues; 0 where none does."
    );
    describe_gauge!(
        OVERDUE,
        Unit::Seconds,
        "How late the earliest delay or timeout is that has not been carried out; 0 where none is late."
    );
    describe_gauge!(QUEUES, Unit::Count, "How many queues there are.");
    describe_gauge!(
        QUEUE_JOBS,
        Unit::Count,
        "Jobs by queue and status: of the 100 queues with the most unfinished jobs."
    );
    describe_gauge!(
        QUEUE_OLDEST,
        Unit::Seconds,
        "How long the job waits that has waited longest, by queue; 0 where none does."
    );
    describe_gauge!(QUEUE_PAUSED, Unit::Count, "1 for a queue that is paused.");
    describe_counter!(
        ENQUEUED,
        Unit::Count,
        "Jobs that clients added. Counted by this node since its start, as it applies the log, like all of quorate_jobs_…_total: \
         each node counts the jobs of the whole cluster, those aside that came to it with a snapshot."
    );
    describe_counter!(
        RETRIED,
        Unit::Count,
        "Jobs that go on from another one, which failed or was given back."
    );
    describe_counter!(GRANTED, Unit::Count, "Jobs that consumers took.");
    describe_counter!(
        FINISHED,
        Unit::Count,
        "Jobs that reached a final status, by outcome, and by reason where it is error."
    );
    describe_counter!(TIMED_OUT, Unit::Count, "Jobs that the cluster ended since their timeout had passed.");
    describe_counter!(
        EXPIRED,
        Unit::Count,
        "Finished jobs that were removed since they had outlived their retention."
    );
    describe_counter!(DELETED, Unit::Count, "Finished jobs that were removed by request.");
}

fn describe_raft() {
    describe_gauge!(TERM, Unit::Count, "Raft's term.");
    describe_gauge!(ROLE, Unit::Count, "1 for the role that this node has in its Raft group.");
    describe_gauge!(IS_LEADER, Unit::Count, "1 on the node that leads.");
    describe_gauge!(
        QUORUM_SILENCE,
        Unit::Seconds,
        "At the leader: how long ago the last message was sent that a majority has answered."
    );
    describe_gauge!(VOTERS, Unit::Count, "How many members vote.");
    describe_counter!(
        LEADER_CHANGES,
        Unit::Count,
        "How often this node has seen another leader or term since its start."
    );
    describe_gauge!(FIRST, Unit::Count, "Where this node's log begins: what was before is in its snapshot.");
    describe_gauge!(LAST, Unit::Count, "The last entry of this node's log.");
    describe_gauge!(COMMITTED, Unit::Count, "The last entry that this node knows to be committed.");
    describe_gauge!(APPLIED, Unit::Count, "The last entry that this node has applied.");
    describe_gauge!(
        COMMIT_LAG,
        Unit::Count,
        "Entries of this node's log that it does not know to be committed."
    );
    describe_gauge!(APPLY_LAG, Unit::Count, "Committed entries that this node has not applied.");
    describe_gauge!(SNAPSHOT, Unit::Count, "The last entry that is in this node's snapshot.");
    describe_gauge!(PEER_LAG, Unit::Count, "At the leader: entries of its log that a peer does not have.");
    describe_gauge!(
        PEER_ROUND_TRIP,
        Unit::Seconds,
        "How long the last question to a peer took, of the last minute."
    );
    describe_gauge!(COMMANDS_WAITING, Unit::Count, "Commands that this node has taken and not answered.");
    describe_gauge!(
        COMMANDS_AT_LEADER,
        Unit::Count,
        "At the leader: commands that are gathered or under way."
    );
    describe_histogram!(
        COMMANDS,
        Unit::Count,
        "How many commands went into one log entry, at the leader; 0 where time alone had one made."
    );
    describe_histogram!(
        PROPOSAL,
        Unit::Seconds,
        "How long it took from the proposal of an entry until it was committed, and applied at the leader."
    );
}

fn describe_node() {
    describe_gauge!(
        RECOVERED,
        Unit::Count,
        "1 once this node has applied all that had been committed when it started."
    );
    describe_gauge!(DRAINING, Unit::Count, "1 for a node that is being drained.");
    describe_gauge!(REMOVED, Unit::Count, "1 for a node that was removed from its cluster.");
    describe_gauge!(
        CLOCK_OFFSET,
        Unit::Seconds,
        "How far this node's clock is ahead of the members' median."
    );
    describe_gauge!(
        LOG_TIME_OFFSET,
        Unit::Seconds,
        "How far log time, which timers follow, is ahead of the clocks' median."
    );
    describe_gauge!(
        DISK_FREE,
        Unit::Bytes,
        "The free bytes of the data directory's disk, the ballast included."
    );
    describe_gauge!(DISK_TOTAL, Unit::Bytes, "The size of that disk.");
    describe_gauge!(DISK_STATE, Unit::Count, "1 for the state that the disk is in: room, short or full.");
}
