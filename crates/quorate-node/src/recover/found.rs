use std::collections::BTreeSet;

use quorate_store::{LogId, Lost, Survey};

/// What a node that does not run has, and what it knows of its cluster.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The node's id
    pub node_id: u64,
    /// and its name.
    pub name: String,
    /// The cluster that it belongs to.
    pub cluster_id: String,
    /// All members as far as it knows, itself included.
    pub members: Vec<FoundMember>,
    /// The voters: where a change of them was under way the old ones and the new ones, and a majority of each must agree.
    pub voter_sets: Vec<BTreeSet<u64>>,
    /// It is the only voter already: where nothing is lost, and it was not removed, there is nothing to recover.
    pub is_alone: bool,
    /// The last entry that it has.
    pub last: Option<Place>,
    /// The last of which it knows that a majority had it.
    pub committed: Option<Place>,
    /// The last in its table.
    pub applied: Option<Place>,
    /// The last of which its high-water mark says that it had it.
    pub marked: Option<Place>,
    /// What its log has less than its mark says, so it does not start as it is; its table may have the rest.
    pub lost: Option<Lost>,
    /// It was removed from its cluster, so it does not start as it is, and lacks what came since.
    pub removed: bool,
    /// The last vote that it gave: in which term, and to which node.
    pub vote: Option<(u64, u64)>,
}

/// A member of its cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundMember {
    /// Its id
    pub id: u64,
    /// and its name.
    pub name: String,
    /// Where its peers reached it.
    pub peer_addr: String,
    /// It is no mere learner.
    pub votes: bool,
}

/// A place in the log. One of a higher term is the higher one, however long the logs are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The leader's term.
    pub term: u64,
    /// The index.
    pub index: u64,
}

impl From<LogId> for Place {
    fn from(id: LogId) -> Place {
        Place { term: id.leader_id.term, index: id.index }
    }
}

impl Found {
    pub(super) fn by(survey: &Survey) -> Found {
        let Survey { identity, membership, .. } = survey;
        let voters: Vec<u64> = membership.voter_ids().collect();
        let members = membership.nodes().map(|(id, node)| FoundMember {
            id: *id,
            name: node.name.clone(),
            peer_addr: node.peer_addr.clone(),
            votes: voters.contains(id),
        });
        let mut members: Vec<FoundMember> = members.collect();
        members.sort_by(|a, b| a.name.cmp(&b.name));
        let own = membership.get_node(&identity.node_id);
        Found {
            node_id: identity.node_id,
            name: own.map(|node| node.name.clone()).unwrap_or_default(),
            cluster_id: identity.cluster_id.clone().unwrap_or_default(),
            members,
            voter_sets: membership.get_joint_config().clone(),
            is_alone: survey.is_alone(),
            last: survey.end().map(Place::from),
            committed: survey.committed.map(Place::from),
            applied: survey.applied.map(Place::from),
            marked: survey.marked.map(Place::from),
            lost: survey.lost,
            removed: survey.removed,
            vote: survey.vote.map(|vote| (vote.leader_id.term, vote.leader_id.voted_for)),
        }
    }

    /// Whether these are enough to agree.
    pub fn is_majority(&self, there: &BTreeSet<u64>) -> bool {
        self.voter_sets.iter().all(|voters| voters.intersection(there).count() > voters.len() / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn while_the_voters_change_a_majority_of_each_set_must_agree() {
        let set = |ids: &[u64]| ids.iter().copied().collect();
        let of = |sets: &[&[u64]]| Found {
            voter_sets: sets.iter().copied().map(set).collect(),
            ..Found::default()
        };
        assert!(of(&[&[1, 2, 3]]).is_majority(&set(&[1, 3])));
        assert!(!of(&[&[1, 2, 3]]).is_majority(&set(&[1, 4, 5])));
        let joint = of(&[&[1, 2, 3], &[3, 4, 5]]);
        assert!(!joint.is_majority(&set(&[1, 2, 3])), "three of five, and one of the new ones");
        assert!(joint.is_majority(&set(&[2, 3, 4])));
    }
}
