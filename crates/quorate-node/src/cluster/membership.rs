use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use openraft::async_runtime::WatchReceiver;
use openraft::{ChangeMembers, LogIdOptionExt, Precondition};
use quorate_core::FeatureLevel;
use quorate_proto::log::v1::Member;
use quorate_proto::peer::v1::drain_request::Mode;
use quorate_proto::peer::v1::{DiscoverResponse, Errand, Outsider};
use quorate_store::{Membership, Node, NodeId, StoredMembership};
use tokio::sync::{Mutex, MutexGuard, oneshot, watch};

use crate::Raft;
use crate::cluster::handover::Handover;
use crate::cluster::not_yet::NotYet;
use crate::cluster::peers::Peers;
use crate::limits;
use crate::read::commit_index::CommitIndex;

/// The leader's part in taking newcomers in. One change of the membership at a time.
///
/// A node joins when somebody has asked for it, which `order/add.rs` does: then it is a learner. Or when it comes in the place of a member
/// that is gone, whose name it bears: a disk that was lost, a container without its volume.
#[derive(Clone)]
pub(crate) struct Admission {
    pub(crate) raft: Raft,
    pub(crate) peers: Peers,
    handover: Handover,
    commit_index: CommitIndex,
    /// The cluster's feature level.
    level: watch::Receiver<FeatureLevel>,
    gate: Arc<Mutex<()>>,
}

impl Admission {
    pub(crate) fn new(
        handover: Handover,
        commit_index: CommitIndex,
        level: watch::Receiver<FeatureLevel>,
    ) -> Admission {
        let Handover { raft, peers } = handover.clone();
        Admission { raft, peers, handover, commit_index, level, gate: Arc::default() }
    }

    /// The cluster's feature level.
    pub(crate) fn level(&self) -> FeatureLevel {
        *self.level.borrow()
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
            let _ = done.send(this.run_step(member.clone(), understood).await.inspect_err(|not_yet| {
                if not_yet.needs_somebody() {
                    let Member { node_id, name, peer_addr, .. } = member;
                    this.peers.outsiders.note(Outsider { node_id, name, peer_addr, removed: false });
                }
            }));
        });
        step.await.unwrap_or(Err(NotYet::Ended))
    }

    async fn run_step(&self, member: Member, understood: FeatureLevel) -> Result<(), NotYet> {
        // One that nobody follows any more goes on leading, and what it began then, or waits for, is not what is missing.
        self.commit_index.confirmed(None).await?;
        let _gate = self.gate.try_lock().map_err(|_| NotYet::ChangeUnderWay)?;
        let level = self.level();
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
        let bearers = self.gone_bearers(&member, membership).await?;
        let Some(node) = membership.get_node(&id) else {
            return match bearers.is_empty() {
                true => Err(NotYet::NotAsked(member.name)),
                false => self.add_learner(member, &stored, &bearers).await,
            };
        };
        self.caught_up(id).await?;
        let mut leavers = bearers;
        leavers.extend(node.replaces.filter(|old| membership.get_node(old).is_some()));
        let own_id = self.peers.process.identity.node_id;
        let mut stay = membership.voter_ids().filter(|voter| !leavers.contains(voter));
        // The only voter commits the change itself, and openraft has it step down then.
        if leavers.contains(&own_id) && stay.next().is_some() {
            self.peers.station.yield_leadership();
            let stays = |answer: &DiscoverResponse| !leavers.contains(&answer.node_id);
            self.handover.hand_over(stays).await;
            return Err(NotYet::HandsOver);
        }
        self.promote(id, &stored, &leavers).await
    }

    /// The members that bore the newcomer's name before it.
    ///
    /// One is gone when the newcomer answers in its place, at its address, or when nobody has answered under its id for long, wherever:
    /// a restart is no reason to lose one's place to whoever has the same name.
    async fn gone_bearers(
        &self,
        member: &Member,
        membership: &Membership,
    ) -> Result<BTreeSet<NodeId>, NotYet> {
        let bearers: Vec<(NodeId, &Node)> = membership
            .nodes()
            .filter(|(id, node)| node.name == member.name && **id != member.node_id)
            .map(|(id, node)| (*id, node))
            .collect();
        if bearers.is_empty() {
            return Ok(BTreeSet::new());
        }
        let addrs = self.peers.addresses();
        let answers = self.peers.ask_all(&addrs).await;
        let answers: Vec<(&String, NodeId)> = addrs
            .iter()
            .zip(&answers)
            .filter_map(|(addr, answer)| Some((addr, answer.as_ref()?.node_id)))
            .collect();
        let is_gone = |(id, node): &(NodeId, &Node)| {
            *id != self.peers.process.identity.node_id
                && !answers.iter().any(|(_, answers)| answers == id)
                && (answers.contains(&(&node.peer_addr, member.node_id))
                    || self.peers.absent.lasts(*id) >= limits::GONE)
        };
        match bearers.iter().all(is_gone) {
            true => Ok(bearers.into_iter().map(|(id, _)| id).collect()),
            false => Err(NotYet::NameBorne { name: member.name.clone() }),
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

    /// In the place of the voter among those that bore its name, or in that of the voter in whose place they were to come.
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
        let inherited = stale.iter().find_map(|id| membership.get_node(id)?.replaces);
        let replaces = inherited.or(bearers.intersection(&voters).next().copied());
        let Member { node_id, name, peer_addr, http_addr, .. } = member;
        if let Some((id, other)) = replaces.and_then(|old| successor(membership, old))
            && !stale.contains(&id)
        {
            return Err(NotYet::PlaceGiven { name, to: other.name.clone() });
        }
        tracing::info!(node_id, name, peer_addr, "a newcomer becomes a learner");
        let node = Node { name, peer_addr, http_addr, replaces };
        let steps = [ChangeMembers::RemoveNodes(stale), ChangeMembers::AddNodes([(node_id, node)].into())];
        let unchanged = Precondition::LastMembershipLogId { last_membership_log_id: *stored.log_id() };
        self.raft.change_membership_if(ChangeMembers::Batch(steps.into()), true, [unchanged]).await?;
        Err(NotYet::CatchesUp)
    }

    /// Whether another node has the log, and has applied it: one that has not would lead only long after it was elected.
    async fn caught_up(&self, id: NodeId) -> Result<(), NotYet> {
        if self.lag(id).is_none_or(|lag| lag > limits::JOIN_LAG) {
            return Err(NotYet::CatchesUp);
        }
        match self.peers.ask_member(id).await {
            Some(answer) if self.peers.has_applied(&answer) => Ok(()),
            Some(_) => Err(NotYet::Applies),
            None => Err(NotYet::CatchesUp),
        }
    }

    /// How many log entries another node lacks, as far as this leader knows.
    fn lag(&self, id: NodeId) -> Option<u64> {
        let metrics = self.raft.data_metrics().borrow_watched().clone();
        let last = metrics.last_log.index().unwrap_or(0);
        let matched = metrics.replication.as_ref().and_then(|all| all.get(&id)).cloned().flatten().index();
        Some(last.saturating_sub(matched?))
    }

    /// Whether a member answers and lacks few entries. A leader that was just elected learns only then what the others have.
    pub(crate) async fn keeps_up(&self, id: NodeId) -> bool {
        if self.peers.ask_member(id).await.is_none() {
            return false;
        }
        let keeps_up = async {
            while self.caught_up(id).await.is_err() {
                tokio::time::sleep(limits::LAG_LOOK).await;
            }
        };
        tokio::time::timeout(limits::LAG_WAIT, keeps_up).await.is_ok()
    }

    /// Changes the membership so that these leave it. Those that live answer what they have taken before, and learn of it after.
    pub(crate) async fn dismissed<T>(
        &self,
        leavers: &BTreeSet<NodeId>,
        change: impl Future<Output = T>,
    ) -> T {
        let book = &self.peers.process.transport.book;
        let addrs: Vec<String> = leavers.iter().filter_map(|id| book.of(*id)).collect();
        let leave = leavers.iter().map(async |id| {
            // One that does not answer holds nobody up.
            if self.peers.ask_member(*id).await.is_some()
                && let Err(status) = self.peers.process.transport.drain(*id, Mode::Leave).await
            {
                tracing::debug!(%status, "a member that is to go has not answered what it has taken");
            }
        });
        futures::future::join_all(leave).await;
        let changed = change.await;
        let peers = self.peers.clone();
        tokio::spawn(async move {
            let told = addrs.iter().map(|addr| peers.ask_on(addr, Errand::Dismiss, 0));
            futures::future::join_all(told).await;
        });
        changed
    }

    async fn promote(
        &self,
        id: NodeId,
        stored: &StoredMembership,
        leavers: &BTreeSet<NodeId>,
    ) -> Result<(), NotYet> {
        let voters = stored.membership().voter_ids().filter(|voter| !leavers.contains(voter));
        let voters: BTreeSet<NodeId> = voters.chain([id]).collect();
        tracing::info!(node_id = id, replaces = ?leavers, "a newcomer becomes a voter");
        let unchanged = Precondition::LastMembershipLogId { last_membership_log_id: *stored.log_id() };
        let change = ChangeMembers::ReplaceAllVoters(voters);
        self.dismissed(leavers, self.raft.change_membership_if(change, false, [unchanged])).await?;
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
        replaces: stored.replaces,
    };
    (now != *stored).then_some(now)
}

/// Whether another member than `id` bears the name.
pub(crate) fn is_borne(name: &str, id: NodeId, membership: &Membership) -> bool {
    membership.nodes().any(|(other, node)| *other != id && node.name == name)
}

/// The learner that is to come in that voter's place.
pub(crate) fn successor(membership: &Membership, old: NodeId) -> Option<(NodeId, &Node)> {
    let votes = |id: NodeId| membership.voter_ids().any(|voter| voter == id);
    let mut nodes = membership.nodes().filter(|(id, node)| node.replaces == Some(old) && !votes(**id));
    nodes.next().map(|(id, node)| (*id, node))
}

/// The voters to come, while a change has done the first of its two halves.
pub(crate) fn half_done(membership: &Membership) -> Option<BTreeSet<NodeId>> {
    match membership.get_joint_config().as_slice() {
        [_, .., voters] => Some(voters.clone()),
        [] | [_] => None,
    }
}
