use std::path::Path;
use std::sync::{Arc, OnceLock};

use quorate_core::FEATURE_LEVEL;
use quorate_proto::peer::v1::DiscoverRequest;
use quorate_store::{LogId, StoreError, Survey};

use crate::peer::{Identity, Run, Transport};
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
    /// It has less than its mark says: its disk has lost what it had promised to keep.
    pub has_lost: bool,
    /// Its log has less than its mark says: it does not start as it is, also where its table has the rest.
    pub does_not_start: bool,
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
    /// How many voters must agree.
    pub fn quorum(&self) -> usize {
        self.members.iter().filter(|member| member.votes).count() / 2 + 1
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
            is_alone: survey.is_alone(),
            last: survey.end().map(Place::from),
            committed: survey.committed.map(Place::from),
            applied: survey.applied.map(Place::from),
            marked: survey.marked.map(Place::from),
            has_lost: survey.has_lost(),
            does_not_start: survey.does_not_start(),
            vote: survey.vote.map(|vote| (vote.leader_id.term, vote.leader_id.voted_for)),
        }
    }

    /// The other members that answer where the node knows them, now.
    pub async fn who_answers(&self) -> Vec<FoundMember> {
        let found = self.found();
        let cluster_id = Arc::new(OnceLock::from(found.cluster_id.clone()));
        let transport = Transport::new(Identity {
            node_id: found.node_id,
            cluster_id,
            run: Run::NONE,
            former: Arc::default(),
        });
        let asks =
            found.members.into_iter().filter(|member| member.id != found.node_id).map(async |member| {
                let question = DiscoverRequest {
                    node_id: found.node_id,
                    cluster_id: found.cluster_id.clone(),
                    name: found.name.clone(),
                    run: Some(Run::NONE.into()),
                    ..DiscoverRequest::default()
                };
                let answer = transport.discover(&member.peer_addr, question).await;
                let is_it = answer.is_ok_and(|(answer, _)| {
                    answer.node_id == member.id && answer.cluster_id == found.cluster_id
                });
                is_it.then_some(member)
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
