use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use quorate_core::FEATURE_LEVEL;
use quorate_proto::peer::v1::{DiscoverRequest, DiscoverResponse};
use quorate_store::{LogId, StoreError, Survey};

use crate::limits;
use crate::peer::tls::speaks_tls;
use crate::peer::{Identity, PeerTls, Roster, Run, Transport};
use crate::restore::draw_cluster_id;

/// A node that does not run and may go on alone, since the majority of its cluster is lost for good. Its data directory is locked.
pub struct Recovery(quorate_store::Recovery);

/// What such a node has, and what it knows of its cluster.
#[derive(Clone, Debug)]
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
    /// It is the only voter already: there is nothing to recover.
    pub is_alone: bool,
    /// The last entry that it has.
    pub last: Option<Place>,
    /// The last of which it knows that a majority had it.
    pub committed: Option<Place>,
    /// The last in its table.
    pub applied: Option<Place>,
    /// The last of which its high-water mark says that it had it.
    pub marked: Option<Place>,
    /// Its log has less than its mark says, so it does not start as it is; its table may have the rest.
    pub has_lost: bool,
    /// The last vote that it gave: in which term, and to which node.
    pub vote: Option<(u64, u64)>,
}

/// A member of its cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// Who answers where members of its cluster were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answering {
    /// A member.
    Member {
        /// Which one.
        member: FoundMember,
        /// Its table goes up to this log index.
        applied_index: u64,
    },
    /// The node itself: it runs on another directory, and this one is a copy or was copied.
    Itself {
        /// Where.
        addr: String,
    },
    /// Somebody who speaks TLS alone, where a member was: it cannot be asked without a certificate.
    Masked {
        /// The member's name,
        name: String,
        /// and where it was.
        addr: String,
    },
    /// A node of a cluster that was restored or recovered from this one before.
    Successor {
        /// The node's name,
        name: String,
        /// and where it is.
        addr: String,
        /// Its cluster.
        cluster_id: String,
    },
}

/// A place in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The leader's term.
    pub term: u64,
    /// The index.
    pub index: u64,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Recovered {
    /// The id of the new cluster.
    pub cluster_id: String,
    /// The entry that makes the node its only member.
    pub last: Place,
}

impl From<LogId> for Place {
    fn from(id: LogId) -> Place {
        Place { term: id.leader_id.term, index: id.index }
    }
}

impl Found {
    /// Whether these are enough to agree.
    pub fn is_majority(&self, there: &BTreeSet<u64>) -> bool {
        self.voter_sets.iter().all(|voters| voters.intersection(there).count() > voters.len() / 2)
    }
}

impl Found {
    fn understand(&self, addr: &str, answer: DiscoverResponse) -> Option<Answering> {
        let DiscoverResponse { name, node_id, cluster_id, applied_index, former_cluster_ids, .. } = answer;
        let addr = addr.to_owned();
        if former_cluster_ids.contains(&self.cluster_id) {
            return Some(Answering::Successor { name, addr, cluster_id });
        }
        if cluster_id != self.cluster_id {
            return None;
        }
        if node_id == self.node_id {
            return Some(Answering::Itself { addr });
        }
        let member = self.members.iter().find(|member| member.id == node_id)?.clone();
        Some(Answering::Member { member, applied_index })
    }
}

impl Recovery {
    /// Looks into a data directory. Nothing is changed.
    ///
    /// # Errors
    /// The node runs, or there is none that could be recovered, or its data cannot be read.
    pub fn of(data_dir: &Path) -> Result<Recovery, StoreError> {
        quorate_store::Recovery::of(data_dir).map(Recovery)
    }

    /// What was found.
    pub fn found(&self) -> Found {
        let survey @ Survey { identity, membership, .. } = self.0.survey();
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
            has_lost: survey.has_lost,
            vote: survey.vote.map(|vote| (vote.leader_id.term, vote.leader_id.voted_for)),
        }
    }

    /// Who answers where the node knows members, itself included. Asks for some seconds, by the node's certificate where they have one.
    pub async fn who_answers(&self, tls: Option<PeerTls>) -> Vec<Answering> {
        let found = self.found();
        let cluster_id = Arc::new(OnceLock::from(found.cluster_id.clone()));
        let identity =
            Identity { node_id: found.node_id, cluster_id, run: Run::NONE, former: Arc::default() };
        let names = found.members.iter().map(|member| member.name.clone()).collect();
        let has_certificate = tls.is_some();
        let roster = Roster::of(identity.clone(), &found.name, names);
        let transport = Transport::new(identity, roster, tls);
        let question = DiscoverRequest {
            node_id: found.node_id,
            cluster_id: found.cluster_id.clone(),
            name: found.name.clone(),
            run: Some(Run::NONE.into()),
            ..DiscoverRequest::default()
        };
        let asks = found.members.iter().map(async |member| {
            for round in 0..limits::RECOVER_ROUNDS {
                if round > 0 {
                    tokio::time::sleep(limits::RECOVER_PAUSE).await;
                }
                if let Ok((answer, _)) = transport.discover(&member.peer_addr, question.clone()).await {
                    return found.understand(&member.peer_addr, answer);
                }
            }
            let FoundMember { name, peer_addr: addr, .. } = member.clone();
            let masked = !has_certificate && speaks_tls(&addr).await.unwrap_or(false);
            masked.then_some(Answering::Masked { name, addr })
        });
        futures::future::join_all(asks).await.into_iter().flatten().collect()
    }

    /// Makes the node the only member of a new cluster that goes on from all that it has: see
    /// [`quorate_store::Recovery::force_single`]. Blocks.
    ///
    /// # Errors
    /// The disk fails, or what is on it is damaged.
    pub fn force_single(self) -> Result<Recovered, StoreError> {
        let cluster_id = draw_cluster_id();
        let last = self.0.force_single(&cluster_id, FEATURE_LEVEL)?.into();
        Ok(Recovered { cluster_id, last })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(voter_sets: &[&[u64]]) -> Found {
        let member = |id| FoundMember { id, name: format!("n{id}"), peer_addr: String::new(), votes: true };
        Found {
            node_id: 1,
            name: "n1".to_owned(),
            cluster_id: "a".to_owned(),
            members: (1..=5).map(member).collect(),
            voter_sets: voter_sets.iter().map(|set| set.iter().copied().collect()).collect(),
            is_alone: false,
            last: None,
            committed: None,
            applied: None,
            marked: None,
            has_lost: false,
            vote: None,
        }
    }

    #[test]
    fn while_the_voters_change_a_majority_of_each_set_must_agree() {
        let there = |ids: &[u64]| ids.iter().copied().collect();
        assert!(found(&[&[1, 2, 3]]).is_majority(&there(&[1, 3])));
        assert!(!found(&[&[1, 2, 3]]).is_majority(&there(&[1, 4, 5])));
        let joint = found(&[&[1, 2, 3], &[3, 4, 5]]);
        assert!(!joint.is_majority(&there(&[1, 2, 3])), "three of five, and one of the new ones");
        assert!(joint.is_majority(&there(&[2, 3, 4])));
    }

    #[test]
    fn who_answers_is_a_member_or_the_node_itself_or_a_successor() {
        let found = found(&[&[1, 2, 3]]);
        let understand = |node_id, cluster_id: &str, former: &[&str]| {
            let former_cluster_ids = former.iter().map(ToString::to_string).collect();
            let cluster_id = cluster_id.to_owned();
            let applied_index = 7;
            found.understand(
                "h:1",
                DiscoverResponse {
                    node_id,
                    cluster_id,
                    former_cluster_ids,
                    applied_index,
                    ..Default::default()
                },
            )
        };
        assert!(matches!(understand(2, "a", &[]), Some(Answering::Member { applied_index: 7, .. })));
        assert!(matches!(understand(1, "a", &["0"]), Some(Answering::Itself { .. })));
        assert!(matches!(understand(2, "b", &["0", "a"]), Some(Answering::Successor { .. })));
        assert_eq!(understand(2, "b", &["0"]), None);
    }
}
