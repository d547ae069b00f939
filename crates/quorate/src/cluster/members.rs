use std::time::Duration;

use quorate_client::api::{Cluster, Member};

use crate::duration::HumanDuration;
use crate::output::{Output, Table};

/// The members as a table, and what holds for all of them.
pub(super) fn show(out: &mut Output, cluster: &Cluster) {
    if !cluster.members.is_empty() {
        let mut table = Table::new([
            "name", "answers", "role", "http", "peer", "applied", "clock", "disk", "version", "up for",
        ]);
        for member in &cluster.members {
            table.row(row(member).each_ref().map(String::as_str));
        }
        out.table(&table);
    }
    let leader = cluster.leader.as_deref().unwrap_or("none known");
    out.line(format_args!(
        "leader {leader}, term {}; {} must agree; feature level {}; seen by {}, cluster {}",
        cluster.term,
        cluster.quorum,
        cluster.feature_level,
        cluster.node,
        if cluster.id.is_empty() { "without an id yet" } else { &cluster.id }
    ));
    if let Some(offset) = cluster.log_time_offset_ms {
        out.line(format_args!("log time is {offset:+} ms off the median of the members' wall clocks"));
    }
}

fn row(member: &Member) -> [String; 10] {
    let unknown = || "?".to_owned();
    let applied = member.applied_index.map_or_else(unknown, |index| index.to_string());
    let offset = member.clock_offset_ms.map_or_else(unknown, |offset| format!("{offset:+} ms"));
    let disk = member
        .disk
        .as_ref()
        .map_or_else(unknown, |disk| format!("{}, {} MiB free", disk.state, disk.free_bytes >> 20));
    let version = match (&member.version, member.feature_level) {
        (Some(version), Some(level)) => format!("{version} (level {level})"),
        _ => unknown(),
    };
    // What it was when it was heard last; it may have another part by now.
    let role = if member.reachable { member.role.clone() } else { format!("was {}", member.role) };
    [
        member.name.clone(),
        if member.reachable { "yes" } else { "NO" }.to_owned(),
        role,
        member.http_addr.clone(),
        member.peer_addr.clone(),
        applied,
        offset,
        disk,
        version,
        member.uptime_seconds.map_or_else(unknown, uptime),
    ]
}

/// Without the seconds, once they say nothing any more.
fn uptime(seconds: u64) -> String {
    let shown = if seconds < 3_600 { seconds } else { seconds - seconds % 60 };
    HumanDuration(Duration::from_secs(shown)).to_string()
}
