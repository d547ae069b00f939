use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The cluster as the answering node sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Cluster {
    /// The cluster's id; empty before its bootstrap.
    pub id: String,
    /// The name of the node that answers.
    pub node: String,
    /// What that node is: `member`; `forming`: in no cluster yet; `applicant`: no member, and nobody has asked for it; `removed`.
    #[serde(default)]
    pub standing: String,
    /// The leader's name; absent when none is known that answers, and while no majority of the voters answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<String>,
    /// Raft's term.
    pub term: u64,
    /// By how many milliseconds log time, which delays and timeouts follow, is ahead of the median of the members' wall
    /// clocks; absent where unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_time_offset_ms: Option<i64>,
    /// What the members may write into the log: a number that grows with the versions, raised once every member's program
    /// understands the next one.
    #[serde(default)]
    pub feature_level: u32,
    /// The log index of the membership: whoever changes the members may say by it which ones are meant.
    #[serde(default)]
    pub members_index: u64,
    /// Every member, by name.
    pub members: Vec<Member>,
    /// Nodes that run and are no members, by name.
    #[serde(default)]
    pub outsiders: Vec<Outsider>,
    /// Voters that must agree.
    pub quorum: usize,
    /// Voters that may fail now without stopping the cluster.
    pub tolerates: usize,
    /// What an operator should see to, the gravest first.
    #[serde(default)]
    pub warnings: Vec<Warning>,
}

/// A node that runs and is no member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Outsider {
    /// Its name.
    pub name: String,
    /// Its id in decimal digits.
    pub id: String,
    /// Where peers reach it.
    pub peer_addr: String,
    /// It was removed; else it asks to be a member.
    pub removed: bool,
}

/// What an operator should see to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Warning {
    /// One of `peer_refused`, `no_majority`, `insecure`, `no_failure_survived`, `half_changed`, `disk_short`, `no_room_for_snapshot`, `certificate_expires`, `lagging`, `clock_off`, `even_voters`, `mixed_versions`, `draining`,
    /// `applicant`, `name_borne`, `removed_runs`; others may come.
    pub kind: String,
    /// For people.
    pub message: String,
}

/// A change of the cluster, as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Changed {
    /// False where it was so already.
    pub changed: bool,
    /// What was done, for people.
    pub message: String,
    /// The log index of the membership as it is now.
    pub members_index: u64,
}

/// The answer to what changes the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChangedWrapper {
    /// What became of it.
    pub changed: Changed,
}

/// A member of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its id in decimal digits, drawn when its data directory was made. A string: it has 64 bits, and a number in
    /// JavaScript only 53.
    pub id: String,
    /// `leader`, `follower` or `learner`: of a leader that does not answer, or has no majority, what it was.
    pub role: String,
    /// Where peers reach it.
    pub peer_addr: String,
    /// Where clients reach it: `HOST:PORT`, or `https://HOST:PORT`.
    pub http_addr: String,
    /// Raft's term there; absent where unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub term: Option<u64>,
    /// The log index that it has applied; absent where unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied_index: Option<u64>,
    /// False when it did not answer lately.
    pub reachable: bool,
    /// It is being drained.
    #[serde(default)]
    pub draining: bool,
    /// It lets strangers in, as it was told to (`--insecure`): whoever reaches its ports may do everything.
    #[serde(default)]
    pub insecure: bool,
    /// Its wall clock's difference to the answering node's, in milliseconds; absent where unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_offset_ms: Option<i64>,
    /// The feature level that its program understands; absent where unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feature_level: Option<u32>,
    /// The version of its program; absent where unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// For how many seconds it has run; absent where unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uptime_seconds: Option<u64>,
    /// The disk of its data directory; absent where unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<Disk>,
}

/// How the disk of a member's data directory is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Disk {
    /// `room`; `short`: as a leader it refuses new jobs when no other voter has room; `full`: as a follower it may fall
    /// behind.
    pub state: String,
    /// Its free bytes, what the node keeps for itself included.
    pub free_bytes: u64,
}

/// The settings that hold for the whole cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Settings {
    /// Seconds that a finished job is kept.
    #[schema(minimum = 60, maximum = 315_360_000)]
    pub retention: u64,
}

/// The answer of a healthy, or ready, node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// `ok`.
    pub status: String,
    /// The node lets strangers in, as it was told to (`--insecure`): whoever reaches its ports may do everything. Absent where it does
    /// not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub insecure: bool,
}

/// Who answers, and where the rest is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Root {
    /// `quorate`.
    pub name: String,
    /// The version of its program.
    pub version: String,
    /// The node's name.
    pub node: String,
    /// What there is, with its path.
    pub paths: BTreeMap<String, String>,
}
