use std::time::Duration;

use quorate_client::api::{Cluster, Member};

use super::state::NO_MAJORITY;
use crate::duration::HumanDuration;
use crate::output::{Output, Table};

/// The members as a table, and what holds for all of them.
pub(super) fn show(out: &mut Output, cluster: &Cluster) {
    if !cluster.members.is_empty() {
        let header = [
            "name", "answers", "role", "behind", "http", "clock", "disk", "up for", "version", "peer",
            "applied", "term",
        ];
        let mut table = Table::new(header).whole(5);
        let newest = cluster.members.iter().filter_map(|member| member.applied_index).max().unwrap_or(0);
        for member in &cluster.members {
            table.row(row(member, newest, cluster.leader.is_some()).each_ref().map(String::as_str));
        }
        out.table(&table);
    }
    let leader = leader(cluster);
    out.line(format_args!(
        "{leader}, term {}; {} must agree; feature level {}; seen by {}, cluster {}",
        cluster.term,
        cluster.quorum,
        cluster.feature_level,
        cluster.node,
        if cluster.id.is_empty() { "without an id yet" } else { &cluster.id }
    ));
    if let Some(offset) = cluster.log_time_offset_ms {
        out.line(format_args!("log time is {offset:+} ms off the median of the members' wall clocks"));
    }
    // What the first line says is said.
    for warning in cluster.warnings.iter().filter(|warning| warning.kind != NO_MAJORITY) {
        out.line(format_args!("warning: {}", warning.message));
    }
    out.line(
        "more: `quorate job list`, `quorate queue list`; each node has /metrics, /v1/stats and /openapi.json",
    );
}

/// Who leads: one that answers. Of a dead leader the nodes go on thinking so until another one is elected.
fn leader(cluster: &Cluster) -> String {
    match cluster.members.iter().find(|member| member.role == "leader") {
        None => "no leader known".to_owned(),
        Some(Member { name, reachable: true, .. }) if cluster.leader.is_some() => format!("leader {name}"),
        Some(Member { name, .. }) => format!("no leader; the last was {name}"),
    }
}

/// `newest` is the highest index that any member has applied; `is_led`: somebody leads.
fn row(member: &Member, newest: u64, is_led: bool) -> [String; 12] {
    let unknown = || "?".to_owned();
    let behind = member.applied_index.map_or_else(unknown, |index| (newest - index).to_string());
    let number = |number: Option<u64>| number.map_or_else(unknown, |number| number.to_string());
    let offset = member.clock_offset_ms.map_or_else(unknown, |offset| format!("{offset:+} ms"));
    let disk = member
        .disk
        .as_ref()
        .map_or_else(unknown, |disk| format!("{}, {} MiB free", disk.state, disk.free_bytes >> 20));
    let version = match (&member.version, member.feature_level) {
        (Some(version), Some(level)) => format!("{version} (level {level})"),
        _ => unknown(),
    };
    [
        member.name.clone(),
        if member.reachable { "yes" } else { "NO" }.to_owned(),
        match (role(&member.role, member.reachable, is_led), member.draining) {
            (role, false) => role.to_owned(),
            (role, true) => format!("{role}, draining"),
        },
        behind,
        member.http_addr.clone(),
        offset,
        disk,
        member.uptime_seconds.map_or_else(unknown, uptime),
        version,
        member.peer_addr.clone(),
        number(member.applied_index),
        number(member.term),
    ]
}

/// Of one that does not answer, what holds all the same: it leads nobody and follows nobody, and may have a vote.
fn role(role: &str, reachable: bool, is_led: bool) -> &str {
    match (reachable, role) {
        (_, "leader") if !(reachable && is_led) => "was leader", // until another one is elected
        (false, "follower") => "voter",
        (_, role) => role,
    }
}

/// Without the seconds, once they say nothing any more.
fn uptime(seconds: u64) -> String {
    let shown = if seconds < 3_600 { seconds } else { seconds - seconds % 60 };
    HumanDuration(Duration::from_secs(shown)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::state::testing::cluster;

    #[test]
    fn a_member_that_does_not_answer_has_no_part_that_it_may_have_lost() {
        let table = [
            ("leader", true, "leader"),
            ("follower", true, "follower"),
            ("learner", true, "learner"),
            ("leader", false, "was leader"),
            ("follower", false, "voter"),
            ("learner", false, "learner"),
        ];
        for (says, reachable, expected) in table {
            assert_eq!(role(says, reachable, true), expected);
        }
        assert_eq!(role("leader", true, false), "was leader");
        assert_eq!(role("follower", true, false), "follower");
    }

    #[test]
    fn a_leader_that_has_no_majority_or_does_not_answer_is_the_last_one() {
        let table = [
            ("L f f", Some("n1"), "leader n1"),
            ("L- f f", None, "no leader; the last was n1"),
            ("L f- f-", None, "no leader; the last was n1"),
            // A node of an earlier version.
            ("L- f f", Some("n1"), "no leader; the last was n1"),
            ("f f f", None, "no leader known"),
        ];
        for (members, says, expected) in table {
            let cluster = Cluster { leader: says.map(str::to_owned), ..cluster(members) };
            assert_eq!(leader(&cluster), expected, "{members}");
        }
    }
}
