use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use quorate_core::FeatureLevel;

use crate::DiskState;
use crate::cluster::peers::{self, Peers};
use crate::cluster::warnings::{self, Warning};
use crate::limits;

/// The cluster as one node sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cluster {
    /// The cluster's id; empty before its bootstrap.
    pub id: String,
    /// The node that answers.
    pub node: String,
    /// What that node is to it.
    pub standing: Standing,
    /// The leader's name, if one is known that answers, as does a majority.
    pub leader: Option<String>,
    /// Raft's term.
    pub term: u64,
    /// By how many milliseconds log time, which timers follow, is ahead of the median of the members' wall clocks; `None`
    /// while this node knows no log time, or not the clocks of a majority.
    pub log_time_offset_ms: Option<i64>,
    /// Its feature level: what its members may write into the log.
    pub feature_level: FeatureLevel,
    /// The log index of the membership; 0 before its bootstrap. Whoever changes the members may say which ones are meant by it.
    pub members_index: u64,
    /// Every member, by name.
    pub members: Vec<Member>,
    /// Nodes that ask to be members, or were, by name.
    pub outsiders: Vec<Outsider>,
    /// Voters that must agree. While a change of them is half done, a majority of the old and one of the new ones must: so many of all
    /// are both, whichever they are.
    pub quorum: usize,
    /// Voters that may fail now without stopping the cluster: those that do not answer, or have much to apply, have failed already.
    pub tolerates: usize,
    /// What an operator should see to, the gravest first.
    pub warnings: Vec<Warning>,
}

impl Cluster {
    /// How many voters answer, of how many.
    pub(crate) fn voters_that_answer(&self) -> (usize, usize) {
        let voters = || self.members.iter().filter(|member| member.role != Role::Learner);
        (voters().filter(|voter| voter.reachable).count(), voters().count())
    }

    /// Whether as many answer as must agree.
    pub(crate) fn has_majority(&self) -> bool {
        self.voters_that_answer().0 >= self.quorum
    }

    /// Who leads. Of a dead leader, or one that has lost its followers, Raft goes on thinking so until another one is elected.
    fn leader(&self) -> Option<String> {
        let leads = |member: &&Member| member.role == Role::Leader && member.reachable;
        let leader = self.members.iter().find(leads).filter(|_| self.has_majority());
        leader.map(|leader| leader.name.clone())
    }
}

/// What a node is to the cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// It is in none yet: it waits for the others.
    #[default]
    Forming,
    /// It is no member, and nobody has asked for it.
    Applicant,
    /// It is a member.
    Member,
    /// It was removed.
    Removed,
}

impl Standing {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Standing::Forming => "forming",
            Standing::Applicant => "applicant",
            Standing::Member => "member",
            Standing::Removed => "removed",
        }
    }
}

/// A node that is no member and runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outsider {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: u64,
    /// Where peers reach it.
    pub peer_addr: String,
    /// It was removed; else it asks to be a member.
    pub removed: bool,
}

/// A member of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its id, drawn when its data directory was made.
    pub id: u64,
    /// What it is; of one that does not answer, what it was.
    pub role: Role,
    /// Where peers reach it.
    pub peer_addr: String,
    /// Where clients reach it.
    pub http_addr: String,
    /// Raft's term there; `None` where it did not answer.
    pub term: Option<u64>,
    /// The log index that it has applied; `None` where it did not answer.
    pub applied_index: Option<u64>,
    /// False when it did not answer.
    pub reachable: bool,
    /// It is being drained.
    pub draining: bool,
    /// It lets strangers in, as it was told to.
    pub insecure: bool,
    /// By how many milliseconds its wall clock is ahead of the answering node's, where that was seen lately; `None` where it did not
    /// answer.
    pub clock_offset_ms: Option<i64>,
    /// How its disk is, and the free bytes there, what the node keeps for itself included; `None` where unknown.
    pub disk: Option<(DiskState, u64)>,
    /// How many bytes must be free there for a snapshot that it had no room for lately.
    pub snapshot_needs: Option<u64>,
    /// The feature level that its program understands; `None` where it did not answer.
    pub feature_level: Option<FeatureLevel>,
    /// The version of its program; `None` where it did not answer.
    pub version: Option<String>,
    /// How long the first of its certificates and authorities lasts; zero: no longer. `None` where it has none, or did not answer.
    pub certificate_lasts: Option<Duration>,
    /// How long it has run; `None` where it did not answer.
    pub uptime: Option<Duration>,
}

impl Member {
    /// How many log entries it has not applied that a member has which has applied up to `newest`; 0 where it did not answer.
    pub(crate) fn behind(&self, newest: u64) -> u64 {
        newest.saturating_sub(self.applied_index.unwrap_or(newest))
    }
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
pub(crate) async fn cluster(peers: &Peers, level: FeatureLevel) -> Cluster {
    let own_id = peers.process.identity.node_id;
    let stored = peers.leadership.membership();
    let membership = stored.membership();
    let is_member = |id| membership.get_node(&id).is_some();
    let outsiders = peers.outsiders.beside(is_member);
    let leader = peers.leadership.now();
    let voters: Vec<u64> = membership.voter_ids().collect();
    let asked = membership.nodes().map(|(id, node)| async move {
        let own = *id == own_id;
        let says = if own { Some(peers.introduce(&Default::default())) } else { peers.ask_member(*id).await };
        (*id, node, says)
    });
    let answers = futures::future::join_all(asked).await;
    let outsiders = answers
        .iter()
        .filter_map(|(_, _, says)| says.as_ref())
        .flat_map(|says| says.outsiders.iter().cloned())
        .chain(outsiders)
        .filter(|one| !is_member(one.node_id))
        .map(|one| {
            let (name, id) = (one.name, one.node_id);
            ((name.clone(), id), Outsider { name, id, peer_addr: one.peer_addr, removed: one.removed })
        });
    let outsiders: BTreeMap<(String, u64), Outsider> = outsiders.collect();
    let mut members: Vec<Member> = answers
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
            term: says.as_ref().map(|says| says.term),
            applied_index: says.as_ref().map(|says| says.applied_index),
            reachable: says.is_some(),
            draining: says.as_ref().is_some_and(|says| says.draining),
            insecure: says.as_ref().is_some_and(|says| says.insecure),
            feature_level: says.as_ref().map(|says| FeatureLevel(says.feature_level)),
            disk: says.as_ref().and_then(peers::disk_of),
            snapshot_needs: says.as_ref().map(|says| says.snapshot_needs_bytes).filter(|bytes| *bytes > 0),
            certificate_lasts: says
                .as_ref()
                .map(|says| says.certificate_expires_ms)
                .filter(|ms| *ms > 0)
                .map(|ms| Duration::from_millis(ms.saturating_sub(peers.process.clock.wall_ms()))),
            uptime: says.as_ref().map(|says| Duration::from_millis(says.uptime_ms)),
            clock_offset_ms: match &says {
                Some(_) if id == own_id => Some(0),
                Some(_) => peers.process.clock.offset_ms(id),
                None => None,
            },
            version: says.map(|says| says.version),
        })
        .collect();
    members.sort_by(|a, b| a.name.cmp(&b.name).then(a.id.cmp(&b.id)));
    // One that has much to apply is none yet that could lead.
    let newest = warnings::newest(&members);
    let is_up = |member: &&Member| member.reachable && member.behind(newest) <= limits::LAG_WORTH_A_WARNING;
    let up: BTreeSet<u64> = members.iter().filter(is_up).map(|member| member.id).collect();
    let (quorum, tolerates) = strength(membership.get_joint_config(), &up);
    let standing = match () {
        () if peers.station.is_removed() => Standing::Removed,
        () if is_member(own_id) => Standing::Member,
        () if peers.station.applies() => Standing::Applicant,
        () => Standing::Forming,
    };
    let mut cluster = Cluster {
        id: peers.cluster_to_be(),
        node: peers.process.config.name.clone(),
        standing,
        leader: None,
        term: peers.leadership.term(),
        feature_level: level,
        log_time_offset_ms: peers.process.clock.log_time_offset_ms(&peers.other_voters()),
        members_index: stored.log_id().map_or(0, |log_id| log_id.index),
        members,
        outsiders: outsiders.into_values().collect(),
        quorum,
        tolerates,
        warnings: Vec::new(),
    };
    cluster.leader = cluster.leader();
    let refused = peers.refusals().into_iter().map(|(peer, why)| Warning::PeerRefused { peer, why });
    let others = warnings::of(&cluster, membership.get_joint_config().len() > 1);
    cluster.warnings = refused.chain(others).collect();
    cluster
}

/// How many voters must agree, and how many may fail of those that are `up`: a change that is half done has two sets of voters.
fn strength(sets: &[BTreeSet<u64>], up: &BTreeSet<u64>) -> (usize, usize) {
    let all: BTreeSet<u64> = sets.iter().flatten().copied().collect();
    let majority = |set: &BTreeSet<u64>| set.len() / 2 + 1;
    let quorum = sets.iter().map(|set| all.len() - set.len() + majority(set)).max();
    let tolerates = sets.iter().map(|set| set.intersection(up).count().saturating_sub(majority(set))).min();
    if all.is_empty() { (0, 0) } else { (quorum.unwrap_or(0), tolerates.unwrap_or(0)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn while_a_change_is_half_done_both_sets_of_voters_count() {
        let set = |ids: &[u64]| ids.iter().copied().collect::<BTreeSet<u64>>();
        assert_eq!(strength(&[], &set(&[])), (0, 0));
        assert_eq!(strength(&[set(&[1, 2, 3])], &set(&[1, 2, 3])), (2, 1));
        assert_eq!(strength(&[set(&[1, 2, 3])], &set(&[1, 4, 5])), (2, 0));
        let joint = [set(&[1, 2, 3]), set(&[2, 3, 4])];
        assert_eq!(strength(&joint, &set(&[1, 2, 3, 4])), (3, 1));
        // One of the old ones, and one of the new ones: neither is a majority, though half of all are up.
        assert_eq!(strength(&joint, &set(&[1, 4])), (3, 0));
        let grows = [set(&[1]), set(&[1, 2])];
        assert_eq!(strength(&grows, &set(&[1, 2])), (2, 0));
    }
}
