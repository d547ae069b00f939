use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use openraft::async_runtime::WatchReceiver;
use openraft::{ChangeMembers, LogIdOptionExt, Precondition};
use quorate_core::FeatureLevel;
use quorate_proto::log::v1::Member;
use quorate_proto::peer::v1::DiscoverResponse;
use quorate_store::{Membership, Node, NodeId, StoredMembership};
use tokio::sync::{Mutex, MutexGuard, oneshot, watch};

use crate::Raft;
use crate::cluster::not_yet::NotYet;
use crate::cluster::peers::Peers;
use crate::limits;

/// The leader's part in taking newcomers in. One change of the membership at a time.
#[derive(Clone)]
pub(crate) struct Admission {
    raft: Raft,
    peers: Peers,
    /// The cluster's feature level.
    level: watch::Receiver<FeatureLevel>,
    gate: Arc<Mutex<()>>,
}

impl Admission {
    pub(crate) fn new(raft: Raft, peers: Peers, level: watch::Receiver<FeatureLevel>) -> Admission {
        Admission { raft, peers, level, gate: Arc::default() }
    }

    /// No change of the membership is made until this is dropped.
    pub(crate) async fn close(&self) -> MutexGuard<'_, ()> {
        self.gate.lock().await
    }

    /// Ends changes of voters that were interrupted between their two halves, whenever this node leads. Nobody else may be
    /// there who would ask for it: neither the leader that had begun nor the newcomer.
    pub(crate) async fn end_interrupted_changes(self) {
        let mut leadership = self.peers.leadership.clone();
        loop {
            if leadership.here().is_some() && half_done(leadership.membership().membership()).is_some() {
                // One that this leader makes itself holds it.
                let _gate = self.close().await;
                if let Some(voters) = half_done(leadership.membership().membership())
                    && let Err(reason) = self.finish(voters).await
                {
                    tracing::debug!(%reason, "the interrupted change is not ended yet");
                    tokio::time::sleep(limits::JOIN_PAUSE).await;
                    continue;
                }
            }
            leadership.changed().await;
        }
    }

    async fn finish(&self, voters: BTreeSet<NodeId>) -> Result<(), NotYet> {
        tracing::info!(?voters, "ending an interrupted change of the membership");
        self.raft.change_membership(voters, false).await?;
        Ok(())
    }

    /// The next step on `member`'s way: learner, caught up, voter. A newcomer that bears the name of a voter which is
    /// gone takes its place, in one change. A member that was started with another name or address is taken over under it.
    /// `understood` is the feature level that its program understands.
    ///
    /// # Errors
    /// It is no voter yet. What was begun goes on when the caller does not wait any more: a change of voters has two halves.
    pub(crate) async fn step(&self, member: Member, understood: FeatureLevel) -> Result<(), NotYet> {
        let this = self.clone();
        let (done, step) = oneshot::channel();
        self.peers.process.tasks.spawn("membership step", async move {
            // Nobody may wait any more.
            let _ = done.send(this.run_step(member, understood).await);
        });
        step.await.unwrap_or(Err(NotYet::Ended))
    }

    async fn run_step(&self, member: Member, understood: FeatureLevel) -> Result<(), NotYet> {
        if self.peers.leadership.here().is_none() {
            return Err(NotYet::NotLeader);
        }
        let _gate = self.gate.try_lock().map_err(|_| NotYet::ChangeUnderWay)?;
        let level = *self.level.borrow();
        if understood < level {
            return Err(NotYet::TooOld { level, understood });
        }
        let stored = self.peers.leadership.membership();
        let membership = stored.membership();
        let id = member.node_id;
        if half_done(membership).is_some() {
            return Err(NotYet::InterruptedChange);
        }
        if let Some(node) = membership.get_node(&id)
            && let Some(now) = moved(&member, node, membership)
        {
            return self.take_over(id, now, &stored).await;
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
    ) -> Result<BTreeSet<NodeId>, NotYet> {
        let nodes = stored.membership().nodes();
        let bearers = nodes.filter(|(id, node)| node.name == member.name && **id != member.node_id);
        let bearers: BTreeSet<NodeId> = bearers.map(|(id, _)| *id).collect();
        if bearers.is_empty() {
            return Ok(bearers);
        }
        if bearers.contains(&self.peers.process.identity.node_id) {
            return Err(NotYet::LeaderBears(member.name.clone()));
        }
        // It may have moved.
        let answers = self.peers.ask_all(&self.peers.addresses()).await;
        match answers.into_iter().flatten().find(|answer| bearers.contains(&answer.node_id)) {
            Some(DiscoverResponse { node_id, .. }) => {
                Err(NotYet::BearerAnswers { bearer: node_id, name: member.name.clone() })
            }
            None => Ok(bearers),
        }
    }

    /// Puts a member that has moved into the membership as it is now.
    ///
    /// openraft warns of changing an address: a call might reach another node than the one that is meant, and that one
    /// might answer in its place, so that one vote counts twice. Here each call says which node of which cluster is
    /// meant, and another one refuses it; and the node has answered at its new address, under its id.
    async fn take_over(&self, id: NodeId, now: Node, stored: &StoredMembership) -> Result<(), NotYet> {
        if id != self.peers.process.identity.node_id {
            let answer = self.peers.ask(&now.peer_addr).await;
            if answer.is_none_or(|answer| answer.node_id != id) {
                return Err(NotYet::NotThere(now.peer_addr));
            }
        }
        tracing::info!(
            node_id = id,
            name = now.name,
            peer_addr = now.peer_addr,
            http_addr = now.http_addr,
            "a member has moved"
        );
        let unchanged = Precondition::LastMembershipLogId { last_membership_log_id: *stored.log_id() };
        let change = ChangeMembers::SetNodes(BTreeMap::from([(id, now)]));
        self.raft.change_membership_if(change, true, [unchanged]).await?;
        Err(NotYet::TakenOver)
    }

    async fn add_learner(
        &self,
        member: Member,
        stored: &StoredMembership,
        bearers: &BTreeSet<NodeId>,
    ) -> Result<(), NotYet> {
        let membership = stored.membership();
        let voters: BTreeSet<NodeId> = membership.voter_ids().collect();
        // Newcomers that are gone before they were voters.
        let stale: BTreeSet<NodeId> = bearers.difference(&voters).copied().collect();
        if !stale.is_empty() {
            let unchanged = Precondition::LastMembershipLogId { last_membership_log_id: *stored.log_id() };
            let removed =
                self.raft.change_membership_if(ChangeMembers::RemoveNodes(stale), true, [unchanged]).await;
            removed?;
        }
        let Member { node_id, name, peer_addr, http_addr } = member;
        tracing::info!(node_id, name, peer_addr, "a newcomer becomes a learner");
        let node = Node { name, peer_addr, http_addr };
        self.raft.add_learner(node_id, node, false).await?;
        Err(NotYet::CatchesUp)
    }

    fn caught_up(&self, id: NodeId) -> Result<(), NotYet> {
        let metrics = self.raft.data_metrics().borrow_watched().clone();
        let last = metrics.last_log.index().unwrap_or(0);
        let matched = metrics.replication.as_ref().and_then(|all| all.get(&id)).cloned().flatten().index();
        match matched {
            Some(matched) if last.saturating_sub(matched) <= limits::JOIN_LAG => Ok(()),
            _ => Err(NotYet::CatchesUp),
        }
    }

    async fn promote(
        &self,
        id: NodeId,
        stored: &StoredMembership,
        bearers: &BTreeSet<NodeId>,
    ) -> Result<(), NotYet> {
        let voters = stored.membership().voter_ids().filter(|voter| !bearers.contains(voter));
        let voters: BTreeSet<NodeId> = voters.chain([id]).collect();
        tracing::info!(node_id = id, replaces = ?bearers, "a newcomer becomes a voter");
        let unchanged = Precondition::LastMembershipLogId { last_membership_log_id: *stored.log_id() };
        let change = ChangeMembers::ReplaceAllVoters(voters);
        self.raft.change_membership_if(change, false, [unchanged]).await?;
        Ok(())
    }
}

/// The entry of a member as it is configured now, if that is another one than it has. A name that another member bears it
/// does not get.
fn moved(member: &Member, stored: &Node, membership: &Membership) -> Option<Node> {
    let borne = is_borne(&member.name, member.node_id, membership);
    let now = Node {
        name: if borne { stored.name.clone() } else { member.name.clone() },
        peer_addr: member.peer_addr.clone(),
        http_addr: member.http_addr.clone(),
    };
    (now != *stored).then_some(now)
}

/// Whether another member than `id` bears the name.
pub(crate) fn is_borne(name: &str, id: NodeId, membership: &Membership) -> bool {
    membership.nodes().any(|(other, node)| *other != id && node.name == name)
}

/// The voters to come, while a change has done the first of its two halves.
fn half_done(membership: &Membership) -> Option<BTreeSet<NodeId>> {
    match membership.get_joint_config().as_slice() {
        [_, .., voters] => Some(voters.clone()),
        [] | [_] => None,
    }
}
