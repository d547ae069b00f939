use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use openraft::{RaftState, ServerState};
use parking_lot::Mutex;
use quorate_store::{NodeId, TypeConfig, Vote};
use tonic::Status;

use crate::Raft;
use crate::peer::Transport;
use crate::read::question::{Question, question};
use crate::task::Tasks;

/// The leader's side of ReadIndex: how far the log is committed, and that nobody else has committed more.
///
/// The index is taken, and a majority says, after the read began, that it still follows this leader. A newer leader would
/// have had the votes of a majority before it committed anything, and two majorities share a node (Ongaro, Consensus, 2014,
/// §6.4). A follower that asks says whom it follows as it asks: of three, that is the majority.
#[derive(Clone)]
pub(crate) struct CommitIndex {
    own_id: NodeId,
    raft: Raft,
    transport: Transport,
    tasks: Tasks,
    /// To each other voter: whom it follows.
    votes: Arc<Mutex<HashMap<NodeId, Question<Option<Vote>>>>>,
}

/// Why a node cannot say how far the log is committed. The question may be asked again, of whoever leads then.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unconfirmed {
    #[error("this node does not lead")]
    NotLeader,
    #[error("the leader has not committed anything in its term yet")]
    NewLeader,
    #[error("no majority says that it follows this leader")]
    NoMajority,
    #[error("Raft has ended: {0}")]
    Ended(String),
}

impl CommitIndex {
    pub(crate) fn new(own_id: NodeId, raft: Raft, transport: Transport, tasks: Tasks) -> CommitIndex {
        CommitIndex { own_id, raft, transport, tasks, votes: Arc::default() }
    }

    /// The index up to which the log was committed at some time after the read began. `asker` is the node that asks, if it
    /// is another one, with its vote after the read began.
    pub(crate) async fn confirmed(&self, asker: Option<(NodeId, Vote)>) -> Result<u64, Unconfirmed> {
        let reign = self.raft.with_raft_state(Reign::of).await;
        let reign = reign.map_err(|fatal| Unconfirmed::Ended(fatal.to_string()))??;
        let mut followers = BTreeSet::from([self.own_id]);
        followers.extend(asker.filter(|(_, vote)| reign.is_followed_by(vote)).map(|(id, _)| id));
        if is_quorum(&reign.voters, &followers) {
            return Ok(reign.committed);
        }
        let mut votes: FuturesUnordered<_> = self.ask(&reign, &followers).into_iter().collect();
        while let Some((id, vote)) = votes.next().await {
            followers.extend(vote.filter(|vote| reign.is_followed_by(vote)).map(|_| id));
            if is_quorum(&reign.voters, &followers) {
                return Ok(reign.committed);
            }
        }
        Err(Unconfirmed::NoMajority)
    }

    /// Asks the voters of whom that is not known whom they follow.
    fn ask(
        &self,
        reign: &Reign,
        known: &BTreeSet<NodeId>,
    ) -> Vec<impl Future<Output = (NodeId, Option<Vote>)> + use<>> {
        let mut votes = self.votes.lock();
        let voters: BTreeSet<NodeId> = reign.voters.iter().flatten().copied().collect();
        votes.retain(|id, _| voters.contains(id));
        let others = voters.into_iter().filter(|id| !known.contains(id));
        others
            .map(|id| {
                let answer = votes.entry(id).or_insert_with(|| self.question(id)).answer();
                async move { (id, answer.await.flatten()) }
            })
            .collect()
    }

    /// Not cut short when a majority has answered without it: a node that is away would be left with a thousand broken
    /// calls.
    fn question(&self, id: NodeId) -> Question<Option<Vote>> {
        let (question, asker) = question();
        let transport = self.transport.clone();
        self.tasks.spawn("votes", async move {
            let ask = || async {
                let vote = transport.current_vote(id).await;
                vote.inspect_err(|status| tracing::debug!(id, %status, "it does not say whom it follows"))
                    .ok()
            };
            asker.run(ask).await;
        });
        question
    }

    /// The vote that this node has given, or the leader that it has accepted since.
    pub(crate) async fn current_vote(&self) -> Result<Vote, Status> {
        // Within the core: in order with the votes that it gives.
        let vote = self.raft.with_raft_state(|state| *state.vote_ref()).await;
        vote.map_err(|fatal| Status::unavailable(fatal.to_string()))
    }
}

/// What a leader knows when it is asked.
struct Reign {
    vote: Vote,
    committed: u64,
    /// A majority of each is needed: there are two while the membership changes.
    voters: Vec<BTreeSet<NodeId>>,
}

impl Reign {
    fn of(state: &RaftState<TypeConfig>) -> Result<Reign, Unconfirmed> {
        if state.server_state != ServerState::Leader {
            return Err(Unconfirmed::NotLeader);
        }
        let vote = *state.vote_ref();
        // What leaders before it have committed, a leader knows once an entry of its own is committed.
        let committed =
            state.cluster_committed().filter(|committed| committed.leader_id.term == vote.leader_id.term);
        let committed = committed.ok_or(Unconfirmed::NewLeader)?.index;
        let voters = state.membership_state.effective().membership().get_joint_config().clone();
        Ok(Reign { vote, committed, voters })
    }

    /// Whether a node with this vote follows the leader.
    fn is_followed_by(&self, vote: &Vote) -> bool {
        vote.leader_id == self.vote.leader_id
    }
}

/// Whether these nodes are a majority of each of the sets.
fn is_quorum(sets: &[BTreeSet<NodeId>], nodes: &BTreeSet<NodeId>) -> bool {
    sets.iter().all(|voters| voters.intersection(nodes).count() > voters.len() / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quorum_is_a_majority_of_each_configuration() {
        let quorum = |sets: &[&[NodeId]], nodes: &[NodeId]| {
            let sets: Vec<BTreeSet<NodeId>> = sets.iter().map(|set| set.iter().copied().collect()).collect();
            is_quorum(&sets, &nodes.iter().copied().collect())
        };
        assert!(quorum(&[&[1]], &[1]));
        assert!(!quorum(&[&[1, 2]], &[1]));
        assert!(quorum(&[&[1, 2, 3]], &[1, 3]));
        assert!(!quorum(&[&[1, 2, 3]], &[1, 4, 5]), "learners do not count");
        assert!(!quorum(&[&[1, 2, 3, 4]], &[1, 2]));
        // 1, 2 and 3 become 3, 4 and 5.
        assert!(!quorum(&[&[1, 2, 3], &[3, 4, 5]], &[1, 2, 3]));
        assert!(!quorum(&[&[1, 2, 3], &[3, 4, 5]], &[3, 4, 5]));
        assert!(quorum(&[&[1, 2, 3], &[3, 4, 5]], &[2, 3, 4]));
    }
}
