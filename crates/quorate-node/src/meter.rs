use std::sync::atomic::Ordering;

use metrics::gauge;
use openraft::async_runtime::WatchReceiver;
use openraft::{Instant as _, LogIdOptionExt, ServerState};
use quorate_core::{QueueView, Status, Timestamp};

use crate::group::Group;
use crate::limits::QUEUES_MEASURED;
use crate::metrics as names;
use crate::{DiskState, Gauges, Handle};

/// What is read when somebody looks, instead of being kept up to date.
impl Handle {
    /// Sets all gauges of the recorder that is in use here (`metrics::with_local_recorder`), and says what its metrics mean. Asks
    /// neither the leader nor anyone else, but the disk: for a thread that may wait.
    pub fn record_metrics(&self) {
        names::describe();
        self.record_jobs();
        record_gauges(self.gauges());
        record_group(self.group());
        self.meter().record();
    }

    fn record_jobs(&self) {
        let (reader, now) = (self.reader(), self.log_time());
        let totals = reader.totals(now);
        gauge!(names::QUEUES).set(totals.queues as f64);
        for (status, jobs) in totals.statuses() {
            gauge!(names::JOBS, "status" => status.as_str()).set(jobs as f64);
        }
        for (priority, jobs) in totals.queued.into_iter().enumerate() {
            gauge!(names::QUEUED, "priority" => priority.to_string()).set(jobs as f64);
        }
        gauge!(names::OLDEST).set(seconds_since(totals.oldest, now));
        gauge!(names::OVERDUE).set(seconds_since(reader.next_timer(), now));
        for QueueView { queue, oldest, .. } in reader.busiest_queues(QUEUES_MEASURED) {
            let name = queue.name.to_string();
            for status in Status::ALL {
                gauge!(names::QUEUE_JOBS, "queue" => name.clone(), "status" => status.as_str())
                    .set(queue.counts.of(status) as f64);
            }
            gauge!(names::QUEUE_OLDEST, "queue" => name.clone()).set(seconds_since(oldest, now));
            gauge!(names::QUEUE_PAUSED, "queue" => name).set(one_if(queue.settings.paused));
        }
    }
}

fn record_gauges(gauges: Gauges) {
    // All of them: a new one is shown, too.
    let Gauges {
        term,
        leads,
        first_log_index,
        last_log_index,
        committed_index,
        applied_index,
        snapshot_index,
        requests_waiting,
        commands_at_leader,
        disk,
        disk_free,
        clock_offset_ms,
        log_time_offset_ms,
        removed,
        draining,
    } = gauges;
    gauge!(names::TERM).set(term as f64);
    gauge!(names::IS_LEADER).set(one_if(leads));
    gauge!(names::FIRST).set(first_log_index as f64);
    gauge!(names::LAST).set(last_log_index as f64);
    gauge!(names::COMMITTED).set(committed_index as f64);
    gauge!(names::APPLIED).set(applied_index as f64);
    gauge!(names::COMMIT_LAG).set(last_log_index.saturating_sub(committed_index) as f64);
    gauge!(names::APPLY_LAG).set(committed_index.saturating_sub(applied_index) as f64);
    gauge!(names::SNAPSHOT).set(snapshot_index as f64);
    gauge!(names::COMMANDS_WAITING).set(requests_waiting as f64);
    gauge!(names::COMMANDS_AT_LEADER).set(commands_at_leader as f64);
    for state in [DiskState::Room, DiskState::Short, DiskState::Full] {
        gauge!(names::DISK_STATE, "state" => state.as_str()).set(one_if(disk == state));
    }
    gauge!(names::DISK_FREE).set(disk_free as f64);
    gauge!(names::CLOCK_OFFSET).set(clock_offset_ms as f64 / 1_000.0);
    if let Some(offset_ms) = log_time_offset_ms {
        gauge!(names::LOG_TIME_OFFSET).set(offset_ms as f64 / 1_000.0);
    }
    gauge!(names::REMOVED).set(one_if(removed));
    gauge!(names::DRAINING).set(one_if(draining));
}

/// What only the leader knows, the others do not show.
fn record_group(group: &Group) {
    let data = group.raft.data_metrics().borrow_watched().clone();
    let state = group.raft.server_metrics().borrow_watched().state;
    let (peers, process) = (&group.peers, &group.peers.process);
    let leads = peers.leadership.here().is_some();
    for role in [ServerState::Leader, ServerState::Follower, ServerState::Candidate, ServerState::Learner] {
        gauge!(names::ROLE, "role" => role_name(role)).set(one_if(state == role));
    }
    let voters = peers.leadership.membership().membership().voter_ids().count();
    gauge!(names::VOTERS).set(voters as f64);
    // One that is alone sends nothing.
    if let Some(acked) = data.last_quorum_acked.filter(|_| leads && voters > 1) {
        gauge!(names::QUORUM_SILENCE).set(acked.elapsed().as_secs_f64());
    }
    for (id, node) in peers.members() {
        if let Some(matched) = data.replication.as_ref().filter(|_| leads).and_then(|all| all.get(&id)) {
            let lag = data.last_log.index().unwrap_or(0).saturating_sub(matched.index().unwrap_or(0));
            gauge!(names::PEER_LAG, "peer" => node.name.clone()).set(lag as f64);
        }
        if let Some(round_trip) = process.clock.round_trip(id) {
            gauge!(names::PEER_ROUND_TRIP, "peer" => node.name).set(round_trip.as_secs_f64());
        }
    }
    gauge!(names::RECOVERED).set(one_if(group.recovered.load(Ordering::Relaxed)));
    gauge!(names::DISK_TOTAL).set(process.disk.total() as f64);
    if let Some(tls) = &process.config.tls {
        quorate_tls::record_end("peer", tls.identity.expires_at());
        quorate_tls::record_end("peer_ca", tls.trust.expires_at());
    }
}

fn role_name(role: ServerState) -> &'static str {
    match role {
        ServerState::Leader => "leader",
        ServerState::Follower => "follower",
        ServerState::Candidate => "candidate",
        ServerState::Learner => "learner",
        ServerState::Shutdown => "shutdown",
    }
}

/// 0 where that is to come, or never.
fn seconds_since(at: Option<Timestamp>, now: Timestamp) -> f64 {
    at.map_or(0.0, |at| now.0.saturating_sub(at.0) as f64 / 1_000.0)
}

fn one_if(condition: bool) -> f64 {
    if condition { 1.0 } else { 0.0 }
}
