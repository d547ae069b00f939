use std::collections::BTreeSet;
use std::sync::Arc;

use openraft::async_runtime::WatchReceiver;
use openraft::{ChangeMembers, LogIdOptionExt, Precondition};
use quorate_proto::log::v1::Member;
use quorate_store::{Membership, Node, NodeId, StoredMembership};
use tokio::sync::Mutex;

use crate::Raft;
use crate::limits;
use crate::peers::Peers;

/// The leader's part in taking newcomers in. One change of the membership at a time.
#[derive(Clone)]
pub(crate) struct Admission {
    raft: Raft,
    peers: Peers,
    gate: Arc<Mutex<()>>,
}

impl Admission {
    pub(crate) fn new(raft: Raft, peers: Peers) -> Admission {
        Admission { raft, peers, gate: Arc::default() }
    }

    /// Ends changes of voters that were interrupted between their two halves, whenever this node leads. Nobody else may be
    /// there who would ask for it: neither the leader that had begun nor the newcomer.
    pub(crate) async fn end_interrupted_changes(self) {
        let mut leadership = self.peers.leadership.clone();
        loop {
            if leadership.now().is_some_and(|leader| leader.here)
                && half_done(leadership.membership().membership()).is_some()
            {
                // One that this leader makes itself holds it.
                let _gate = self.gate.lock().await;
                if let Some(voters) = half_done(leadership.membership().membership())
                    && let Err(reason) = self.finish(voters).await
                {
                    tracing::debug!(reason, "the interrupted change is not ended yet");
                    tokio::time::sleep(limits::JOIN_PAUSE).await;
                    continue;
                }
            }
            leadership.changed().await;
        }
    }

    async fn finish(&self, voters: BTreeSet<NodeId>) -> Result<(), String> {
        tracing::info!(?voters, "ending an interrupted change of the membership");
        self.raft.change_membership(voters, false).await.map_err(|error| error.to_string())?;
        Ok(())
    }

    /// The next step on `member`'s way: learner, caught up, voter. A newcomer that bears the name of a voter which is
    /// gone takes its place, in one change. `Ok` when it is a voter, else what is waited for.
    ///
    /// Goes on when the caller does not wait any more: a change of voters has two halves.
    pub(crate) async fn step(&self, member: Member) -> Result<(), String> {
        let this = self.clone();
        let step = tokio::spawn(async move { this.run_step(member).await });
        step.await.unwrap_or_else(|panicked| Err(panicked.to_string()))
    }

    async fn run_step(&self, member: Member) -> Result<(), String> {
        if !self.peers.leadership.now().is_some_and(|leader| leader.here) {
            return Err("this node does not lead".to_owned());
        }
        let _gate = self.gate.try_lock().map_err(|_| "another change is under way".to_owned())?;
        let stored = self.peers.leadership.membership();
        let membership = stored.membership();
        let id = member.node_id;
        if half_done(membership).is_some() {
            return Err("a change that another leader had begun is ended first".to_owned());
        }
        if membership.voter_ids().any(|voter| voter == id) {
            return Ok(());
        }
        let bearers = self.gone_bearers(&member, &stored).await?;
        if membership.get_node(&id).is_none() {
            return self.add_learner(member, &stored, &bearers).await;
        }
        self.caught_up(id)?;
        self.promote(id, &stored, &bearers).await
    }

    /// The members that bore the newcomer's name before it.
    async fn gone_bearers(
        &self,
        member: &Member,
        stored: &StoredMembership,
    ) -> Result<BTreeSet<NodeId>, String> {
        let mut gone = BTreeSet::new();
        for (id, node) in stored.membership().nodes() {
            if node.name != member.name || *id == member.node_id {
                continue;
            }
            let answer = self.peers.ask(&node.peer_addr).await;
            if answer.is_some_and(|answer| answer.node_id == *id) {
                return Err(format!("another node, {id}, bears the name {} and answers", node.name));
            }
            gone.insert(*id);
        }
        Ok(gone)
    }

    async fn add_learner(
        &self,
        member: Member,
        stored: &StoredMembership,
        bearers: &BTreeSet<NodeId>,
    ) -> Result<(), String> {
        let membership = stored.membership();
        let voters: BTreeSet<NodeId> = membership.voter_ids().collect();
        // Newcomers that are gone before they were voters.
        let stale: BTreeSet<NodeId> = bearers.difference(&voters).copied().collect();
        if !stale.is_empty() {
            let unchanged = Precondition::LastMembershipLogId { last_membership_log_id: *stored.log_id() };
            let removed =
                self.raft.change_membership_if(ChangeMembers::RemoveNodes(stale), true, [unchanged]).await;
            removed.map_err(|error| error.to_string())?;
        }
        let Member { node_id, name, peer_addr, http_addr } = member;
        tracing::info!(node_id, name, peer_addr, "a newcomer becomes a learner");
        let node = Node { name, peer_addr, http_addr };
        self.raft.add_learner(node_id, node, false).await.map_err(|error| error.to_string())?;
        Err("it is a learner now, and catches up".to_owned())
    }

    fn caught_up(&self, id: NodeId) -> Result<(), String> {
        let metrics = self.raft.data_metrics().borrow_watched().clone();
        let last = metrics.last_log.index().unwrap_or(0);
        let matched = metrics.replication.as_ref().and_then(|all| all.get(&id)).cloned().flatten().index();
        match matched {
            Some(matched) if last.saturating_sub(matched) <= limits::JOIN_LAG => Ok(()),
            _ => Err(format!("it catches up: {} of {last}", matched.unwrap_or(0))),
        }
    }

    async fn promote(
        &self,
        id: NodeId,
        stored: &StoredMembership,
        bearers: &BTreeSet<NodeId>,
    ) -> Result<(), String> {
        let voters = stored.membership().voter_ids().filter(|voter| !bearers.contains(voter));
        let voters: BTreeSet<NodeId> = voters.chain([id]).collect();
        tracing::info!(node_id = id, replaces = ?bearers, "a newcomer becomes a voter");
        let unchanged = Precondition::LastMembershipLogId { last_membership_log_id: *stored.log_id() };
        let change = ChangeMembers::ReplaceAllVoters(voters);
        self.raft
            .change_membership_if(change, false, [unchanged])
            .await
            .map_err(|error| error.to_string())?;
        Ok(())
    }
}

/// The voters to come, while a change has done the first of its two halves.
fn half_done(membership: &Membership) -> Option<BTreeSet<NodeId>> {
    match membership.get_joint_config().as_slice() {
        [_, .., voters] => Some(voters.clone()),
        [] | [_] => None,
    }
}
