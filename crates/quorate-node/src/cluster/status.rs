use std::time::Duration;

use quorate_core::FeatureLevel;

use crate::DiskState;
use crate::cluster::peers::{self, Peers};

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
    /// By how many milliseconds log time, which timers follow, is ahead of the median of the members' wall clocks; `None`
    /// while this node knows no log time, or not the clocks of a majority.
    pub log_time_offset_ms: Option<i64>,
    /// Its feature level: what its members may write into the log.
    pub feature_level: FeatureLevel,
    /// Every member, by name.
    pub members: Vec<Member>,
    /// Voters that must agree.
    pub quorum: usize,
    /// Voters that may fail now without stopping the cluster.
    pub tolerates: usize,
}

/// A member of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its id, drawn when its data directory was made.
    pub id: u64,
    /// What it is.
    pub role: Role,
    /// Where peers reach it.
    pub peer_addr: String,
    /// Where clients reach it.
    pub http_addr: String,
    /// The log index that it has applied; `None` where it did not answer.
    pub applied_index: Option<u64>,
    /// False when it did not answer.
    pub reachable: bool,
    /// By how many milliseconds its wall clock is ahead of the answering node's, where that was seen lately.
    pub clock_offset_ms: Option<i64>,
    /// How its disk is, and the free bytes there, what the node keeps for itself included; `None` where unknown.
    pub disk: Option<(DiskState, u64)>,
    /// The feature level that its program understands; `None` where it did not answer.
    pub feature_level: Option<FeatureLevel>,
    /// The version of its program; `None` where it did not answer.
    pub version: Option<String>,
    /// How long it has run; `None` where it did not answer.
    pub uptime: Option<Duration>,
}

/// A member's part in the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It leads.
    Leader,
    /// It votes.
    Follower,
    /// It only follows, so far.
    Learner,
}

impl Role {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Leader => "leader",
            Role::Follower => "follower",
            Role::Learner => "learner",
        }
    }
}

/// Asks all members, and puts what they say together.
pub(crate) async fn cluster(peers: &Peers, term: u64, level: FeatureLevel) -> Cluster {
    let own_id = peers.process.identity.node_id;
    let stored = peers.leadership.membership();
    let membership = stored.membership();
    let leader = peers.leadership.now();
    let voters: Vec<u64> = membership.voter_ids().collect();
    let asked = membership.nodes().map(|(id, node)| async move {
        let own = *id == own_id;
        let says = if own { Some(peers.introduce(&Default::default())) } else { peers.ask_member(*id).await };
        (*id, node, says)
    });
    let mut members: Vec<Member> = futures::future::join_all(asked)
        .await
        .into_iter()
        .map(|(id, node, says)| Member {
            name: node.name.clone(),
            id,
            role: match leader {
                Some(leader) if leader.id == id => Role::Leader,
                _ if voters.contains(&id) => Role::Follower,
                _ => Role::Learner,
            },
            peer_addr: node.peer_addr.clone(),
            http_addr: node.http_addr.clone(),
            applied_index: says.as_ref().map(|says| says.applied_index),
            reachable: says.is_some(),
            feature_level: says.as_ref().map(|says| FeatureLevel(says.feature_level)),
            disk: says.as_ref().and_then(peers::disk_of),
            uptime: says.as_ref().map(|says| Duration::from_millis(says.uptime_ms)),
            version: says.map(|says| says.version),
            clock_offset_ms: if id == own_id { Some(0) } else { peers.process.clock.offset_ms(id) },
        })
        .collect();
    members.sort_by(|a, b| a.name.cmp(&b.name).then(a.id.cmp(&b.id)));
    let quorum = if voters.is_empty() { 0 } else { voters.len() / 2 + 1 };
    let up = members.iter().filter(|member| member.reachable && voters.contains(&member.id)).count();
    Cluster {
        id: peers.cluster_id().unwrap_or_default().to_owned(),
        node: peers.process.config.name.clone(),
        leader: leader.and_then(|leader| Some(membership.get_node(&leader.id)?.name.clone())),
        term,
        feature_level: level,
        log_time_offset_ms: peers.process.clock.log_time_offset_ms(&peers.other_voters()),
        members,
        quorum,
        tolerates: up.saturating_sub(quorum),
    }
}
