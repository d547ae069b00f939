use std::collections::BTreeSet;

use openraft::errors::{ClientWriteError, RaftError};
use openraft::{ChangeMembers, Precondition};
use quorate_core::FeatureLevel;
use quorate_proto::peer::v1::{self as pb};
use quorate_store::{Membership, Node, NodeId, StoredMembership, TypeConfig};
use tokio::sync::oneshot;

use crate::cluster::handover::{Handover, leads_well};
use crate::cluster::membership::{Admission, half_done, successor};
use crate::cluster::order::{Done, Order, Outcome, Refused, Why};
use crate::cluster::peers::Peers;
use crate::limits;

/// The leader's part in what an operator asks.
///
/// That somebody has asked for a node is in the log: it is a learner. From there it goes on by itself, whoever leads, and whether
/// the operator waits for it or not.
#[derive(Clone)]
pub(crate) struct Orders {
    pub(crate) admission: Admission,
    pub(crate) handover: Handover,
}

/// Why an order is not carried out here.
enum No {
    Refused(Refused),
    NotLeader,
    /// A change was begun.
    Unknown,
}

impl From<Refused> for No {
    fn from(refused: Refused) -> No {
        No::Refused(refused)
    }
}

impl From<RaftError<TypeConfig, ClientWriteError<TypeConfig>>> for No {
    fn from(error: RaftError<TypeConfig, ClientWriteError<TypeConfig>>) -> No {
        tracing::debug!(%error, "the membership is not changed");
        match error {
            // The first half of it may be in the log, and the next leader ends it.
            RaftError::Fatal(_) => No::Unknown,
            RaftError::APIError(error) => match error {
                ClientWriteError::ForwardToLeader(_) | ClientWriteError::LogEntryDiscarded(_) => No::Unknown,
                ClientWriteError::PreconditionFailed(_) => changed_meanwhile().into(),
                ClientWriteError::ChangeMembershipError(_) => under_way().into(),
            },
        }
    }
}

impl Orders {
    /// Carries an order out, if this node leads, and the membership is the `expected` one. What was begun goes on when the caller
    /// does not wait any more: a change of voters has two halves.
    pub(crate) async fn carry_out(&self, order: Order, expected: Option<u64>) -> Outcome {
        let this = self.clone();
        let (done, outcome) = oneshot::channel();
        self.peers().process.tasks.spawn("order", async move {
            // Nobody may wait any more.
            let _ = done.send(this.run(order, expected).await);
        });
        match outcome.await {
            Ok(Ok(done)) => Outcome::Done(done),
            Ok(Err(No::Refused(refused))) => Outcome::Refused(refused),
            Ok(Err(No::NotLeader)) => Outcome::NotLeader,
            // This node ends: the next leader tells whether it is done.
            Ok(Err(No::Unknown)) | Err(_) => Outcome::Unknown,
        }
    }

    fn peers(&self) -> &Peers {
        &self.admission.peers
    }

    fn own_id(&self) -> NodeId {
        self.peers().process.identity.node_id
    }

    async fn run(&self, order: Order, expected: Option<u64>) -> Result<Done, No> {
        self.leads()?;
        let turn = tokio::time::timeout(limits::ORDER_TURN, self.admission.close()).await;
        let _gate = turn.map_err(|_| under_way())?;
        self.leads()?;
        let stored = self.peers().leadership.membership();
        match order {
            Order::Add { name, peer_addr, replaces } => {
                self.add(&name, peer_addr, replaces.as_deref(), &stored, expected).await
            }
            Order::Remove { name } => self.remove(&name, &stored, expected).await,
            Order::Transfer { to } => self.transfer(to.as_deref(), &stored, expected).await,
        }
    }

    fn leads(&self) -> Result<(), No> {
        self.peers().leadership.here().map(|_| ()).ok_or(No::NotLeader)
    }

    fn done(&self, changed: bool, message: String) -> Done {
        if changed {
            tracing::info!("as an operator asked: {message}");
        }
        let members_index = index(&self.peers().leadership.membership());
        Done { changed, message, members_index }
    }

    async fn add(
        &self,
        name: &str,
        peer_addr: Option<String>,
        replaces: Option<&str>,
        stored: &StoredMembership,
        expected: Option<u64>,
    ) -> Result<Done, No> {
        let membership = stored.membership();
        if let Some(message) = added(membership, name, replaces)? {
            self.invite_again(name, membership).await;
            return Ok(self.done(false, message));
        }
        may_change(stored, expected)?;
        let replaced = match replaces {
            None => None,
            Some(old) => {
                let old_id = voter_of(membership, old, name)?;
                if let Some((id, other)) = successor(membership, old_id) {
                    let message = format!(
                        "{other} comes in the place of {old} already: wait until it votes, or remove it: quorate cluster member \
                         remove {id}",
                        other = other.name
                    );
                    return Err(Refused::new(Why::Unfit, message).into());
                }
                Some(old_id)
            }
        };
        let stay = membership.nodes().filter(|(id, _)| Some(**id) != replaced).count();
        if stay >= limits::PEERS {
            let message = format!("there are {stay} members, and no more than {} make sense", limits::PEERS);
            return Err(Refused::new(Why::Unfit, message).into());
        }
        let peer_addr = match peer_addr {
            Some(addr) => addr,
            None => self.applicant(name, membership).await?,
        };
        let newcomer = self.fit_newcomer(name, &peer_addr, membership).await?;
        let node = Node {
            name: name.to_owned(),
            peer_addr,
            http_addr: newcomer.http_addr.clone(),
            replaces: replaced,
        };
        let addr = node.peer_addr.clone();
        let learner = ChangeMembers::AddNodes([(newcomer.node_id, node)].into());
        self.admission.raft.change_membership_if(learner, true, [unchanged(stored)]).await?;
        self.peers().invite(newcomer.node_id, &addr).await;
        let place = replaces.map_or_else(String::new, |old| format!(" in the place of {old}"));
        Ok(self.done(true, format!("{name} is taken in: it catches up, and then votes{place}")))
    }

    /// An invitation is lost with the process that got it.
    async fn invite_again(&self, name: &str, membership: &Membership) {
        let voters: BTreeSet<NodeId> = membership.voter_ids().collect();
        for id in bearers(membership, name).difference(&voters) {
            let Some(node) = membership.get_node(id) else { continue };
            if self.peers().ask(&node.peer_addr).await.is_some_and(|it| it.node_id == *id && !it.initialised)
            {
                self.peers().invite(*id, &node.peer_addr).await;
            }
        }
    }

    /// Where the node is that has asked to join under that name.
    async fn applicant(&self, name: &str, membership: &Membership) -> Result<String, Refused> {
        let asked = self.peers().outsiders(|id| membership.get_node(&id).is_some()).await;
        let of_name: Vec<pb::Outsider> = asked.into_iter().filter(|one| one.name == name).collect();
        match of_name.iter().filter(|one| !one.removed).collect::<Vec<_>>()[..] {
            [applicant] => Ok(applicant.peer_addr.clone()),
            [] if !of_name.is_empty() => Err(wipe_first(name)),
            [] => Err(Refused::new(
                Why::NoSuchNode,
                format!(
                    "no node called {name} has asked to join: start it with members of this cluster in its --peers, or \
                     say where it is with --peer HOST:PORT"
                ),
            )),
            [..] => Err(Refused::new(
                Why::Unfit,
                format!(
                    "several nodes called {name} have asked to join: say which one with --peer HOST:PORT"
                ),
            )),
        }
    }

    /// Asks a node that is to join who it is. It is told of nothing before it is a member: one that is not taken in is not changed.
    async fn fit_newcomer(
        &self,
        name: &str,
        addr: &str,
        membership: &Membership,
    ) -> Result<pb::DiscoverResponse, Refused> {
        let unfit = |message: String| Err(Refused::new(Why::Unfit, message));
        let Some(answer) = self.peers().ask(addr).await else {
            return unfit(format!("{name} does not answer at {addr}"));
        };
        if answer.name != name {
            return unfit(format!("the node at {addr} is called {}, not {name}", answer.name));
        }
        if membership.get_node(&answer.node_id).is_some() {
            return unfit(format!("the node at {addr} is a member already, under another name"));
        }
        let is_of_cluster = Some(answer.cluster_id.as_str()) == self.peers().cluster_id();
        // One that has a membership of this cluster was in it; it may not know yet that it is no more.
        if answer.removed || is_of_cluster && answer.initialised {
            return Err(wipe_first(name));
        }
        if !answer.cluster_id.is_empty() && !is_of_cluster {
            return unfit(format!(
                "{name} belongs to another cluster, {}, or has made one alone because it was started without --peers: wipe its data \
                 directory, and start it with --peers that name members of this cluster",
                answer.cluster_id
            ));
        }
        let (level, understood) = (self.admission.level(), FeatureLevel(answer.feature_level));
        if understood < level {
            return unfit(format!(
                "the cluster's feature level is {level}, and {name} understands {understood}: start a newer version there"
            ));
        }
        Ok(answer)
    }

    async fn remove(&self, name: &str, stored: &StoredMembership, expected: Option<u64>) -> Result<Done, No> {
        let membership = stored.membership();
        // An id, where nobody has that name.
        let by_id = name.parse().ok().filter(|id| membership.get_node(id).is_some());
        let mut leavers = bearers(membership, name);
        if leavers.is_empty() {
            leavers.extend(by_id);
        }
        if leavers.is_empty() {
            return Ok(self.done(false, format!("{name} is no member")));
        }
        may_change(stored, expected)?;
        if leavers.len() > 1 {
            return Err(self.which(name, &leavers, membership).await.into());
        }
        let voters: BTreeSet<NodeId> = membership.voter_ids().collect();
        let stay: BTreeSet<NodeId> = voters.difference(&leavers).copied().collect();
        if stay.len() < voters.len() {
            self.can_do_without(name, &stay, membership).await?;
        }
        if leavers.contains(&self.own_id()) {
            self.peers().station.yield_leadership();
            // Whoever leads then is asked again.
            return match self.handover.hand_over(|answer| stay.contains(&answer.node_id)).await {
                true => Err(No::NotLeader),
                false => {
                    let message = format!("{name} leads, and no other voter has taken over: try again");
                    Err(Refused::new(Why::Unsafe, message).into())
                }
            };
        }
        self.admission
            .dismissed(&leavers, async {
                // They had some seconds for their last answers.
                if stay.len() < voters.len() {
                    self.can_do_without(name, &stay, membership).await?;
                }
                let (votes, learns) = leavers.iter().copied().partition(|id| voters.contains(id));
                let steps = [ChangeMembers::RemoveVoters(votes), ChangeMembers::RemoveNodes(learns)];
                let change = ChangeMembers::Batch(steps.into());
                self.admission
                    .raft
                    .change_membership_if(change, false, [unchanged(stored)])
                    .await
                    .map_err(No::from)
            })
            .await?;
        let left = match stay.len() {
            1 => "1 voter is left".to_owned(),
            left => format!("{left} voters are left"),
        };
        Ok(self.done(true, format!("{name} is removed: {left}")))
    }

    /// Of several that bear the name, one is meant. It is said by its id: the same order a second time must not mean the other one.
    async fn which(&self, name: &str, bearers: &BTreeSet<NodeId>, membership: &Membership) -> Refused {
        let voters: BTreeSet<NodeId> = membership.voter_ids().collect();
        let says = bearers.iter().map(async |id| {
            let votes = if voters.contains(id) { "votes" } else { "does not vote yet" };
            let answers = *id == self.own_id() || self.peers().ask_member(*id).await.is_some();
            format!("{id} ({votes}, {})", if answers { "answers" } else { "does not answer" })
        });
        let says = futures::future::join_all(says).await;
        Refused::new(
            Why::Unfit,
            format!(
                "several members are called {name}: say which one by its id, quorate cluster member remove ID: {}",
                says.join(", ")
            ),
        )
    }

    /// Whether those who stay can go on.
    async fn can_do_without(
        &self,
        name: &str,
        stay: &BTreeSet<NodeId>,
        membership: &Membership,
    ) -> Result<(), Refused> {
        if stay.is_empty() {
            let message = format!("{name} is the only voter: without it there is no cluster");
            return Err(Refused::new(Why::Unsafe, message));
        }
        let asked = stay
            .iter()
            .map(|id| async move { (*id, *id == self.own_id() || self.admission.keeps_up(*id).await) });
        let asked = futures::future::join_all(asked).await;
        let well = asked.iter().filter(|(_, is_well)| *is_well).count();
        let must = stay.len() / 2 + 1;
        if well >= must {
            return Ok(());
        }
        let unwell = asked.iter().filter(|(_, is_well)| !is_well);
        let unwell: Vec<&str> =
            unwell.filter_map(|(id, _)| Some(membership.get_node(id)?.name.as_str())).collect();
        Err(Refused::new(
            Why::Unsafe,
            format!(
                "without {name} {must} of {} voters must answer and be up to date, and {} are not: see to them first",
                stay.len(),
                unwell.join(", ")
            ),
        ))
    }

    async fn transfer(
        &self,
        to: Option<&str>,
        stored: &StoredMembership,
        expected: Option<u64>,
    ) -> Result<Done, No> {
        let membership = stored.membership();
        let Some(to) = to else {
            may_change(stored, expected)?;
            return match self.handover.hand_over(leads_well).await {
                true => Ok(self.done(true, self.leader_now(membership))),
                false => {
                    let message = "no other voter that answers, is up to date, has room and is not being drained has taken over";
                    Err(Refused::new(Why::Unsafe, message).into())
                }
            };
        };
        let ids = bearers(membership, to);
        let Some(id) = membership.voter_ids().find(|id| ids.contains(id)) else {
            let (why, message) = match ids.is_empty() {
                true => (Why::NoSuchNode, format!("{to} is no member")),
                false => (Why::Unfit, format!("{to} catches up, and has no vote yet")),
            };
            return Err(Refused::new(why, message).into());
        };
        if id == self.own_id() {
            return Ok(self.done(false, format!("{to} leads")));
        }
        may_change(stored, expected)?;
        let unfit = |message: String| Err(Refused::new(Why::Unfit, message).into());
        match self.peers().ask_member(id).await {
            None => return unfit(format!("{to} does not answer")),
            Some(answer) if answer.draining => {
                return unfit(format!("{to} is being drained: quorate cluster undrain {to}"));
            }
            Some(answer) if !leads_well(&answer) => {
                return unfit(format!("{to} has no room on its disk: it would give the leadership back"));
            }
            Some(_) => {}
        }
        if !self.admission.keeps_up(id).await {
            return unfit(format!("{to} is not up to date: try again when it is"));
        }
        let others = self.handover.hand_over(|answer| answer.node_id == id).await;
        match self.peers().leadership.now() {
            Some(leader) if leader.id == id => Ok(self.done(true, format!("{to} leads"))),
            _ if others => unfit(format!("{to} has not taken over in time: {}", self.leader_now(membership))),
            _ => unfit(format!("{to} has not taken over in time")),
        }
    }

    fn leader_now(&self, membership: &Membership) -> String {
        let leader = self.peers().leadership.now().and_then(|leader| membership.get_node(&leader.id));
        leader
            .map_or_else(|| "an election is under way".to_owned(), |leader| format!("{} leads", leader.name))
    }
}

/// What there is to say of a node that is added already.
fn added(membership: &Membership, name: &str, replaces: Option<&str>) -> Result<Option<String>, Refused> {
    let ids = bearers(membership, name);
    let Some(node) = ids.iter().find_map(|id| membership.get_node(id)) else { return Ok(None) };
    let votes = membership.voter_ids().any(|voter| ids.contains(&voter));
    let replaced = replaces.map(|old| bearers(membership, old)).filter(|old| !old.is_empty());
    match replaced {
        None if votes => Ok(Some(format!("{name} is a member"))),
        None => Ok(Some(format!("{name} is a member, and votes as soon as it has caught up"))),
        Some(_) if votes => Err(Refused::new(
            Why::Unfit,
            format!(
                "{name} votes already, beside {old}: remove {old} instead",
                old = replaces.unwrap_or_default()
            ),
        )),
        Some(old) if node.replaces.is_some_and(|id| old.contains(&id)) => Ok(Some(format!(
            "{name} is a member, and votes in the place of {} as soon as it has caught up",
            replaces.unwrap_or_default()
        ))),
        Some(_) => Err(Refused::new(
            Why::Unfit,
            format!(
                "{name} is being added, in nobody's place: wait until it votes, then remove {}",
                replaces.unwrap_or_default()
            ),
        )),
    }
}

/// The voter that is to be replaced.
fn voter_of(membership: &Membership, old: &str, newcomer: &str) -> Result<NodeId, Refused> {
    let ids = bearers(membership, old);
    if ids.is_empty() {
        let message =
            format!("{old} is no member: `quorate cluster member add {newcomer}` takes {newcomer} in");
        return Err(Refused::new(Why::NoSuchNode, message));
    }
    membership
        .voter_ids()
        .find(|id| ids.contains(id))
        .ok_or_else(|| Refused::new(Why::Unfit, format!("{old} has no vote: remove it, then add {newcomer}")))
}

/// No change is under way, and the membership is what the operator has seen.
fn may_change(stored: &StoredMembership, expected: Option<u64>) -> Result<(), Refused> {
    if half_done(stored.membership()).is_some() {
        return Err(under_way());
    }
    let now = index(stored);
    match expected {
        Some(expected) if expected != now => Err(Refused::new(
            Why::Changed,
            format!("the members are those of index {now}, not {expected}: look at them again"),
        )),
        _ => Ok(()),
    }
}

/// All that bear the name: a newcomer may, beside one that is gone.
fn bearers(membership: &Membership, name: &str) -> BTreeSet<NodeId> {
    membership.nodes().filter(|(_, node)| node.name == name).map(|(id, _)| *id).collect()
}

fn index(stored: &StoredMembership) -> u64 {
    stored.log_id().map_or(0, |log_id| log_id.index)
}

fn unchanged(stored: &StoredMembership) -> Precondition<TypeConfig> {
    Precondition::LastMembershipLogId { last_membership_log_id: *stored.log_id() }
}

fn changed_meanwhile() -> Refused {
    Refused::new(Why::Changed, "the members have changed meanwhile: look at them again")
}

fn under_way() -> Refused {
    Refused::new(Why::UnderWay, "another change of the members is under way: try again when it is done")
}

fn wipe_first(name: &str) -> Refused {
    let message =
        format!("{name} was removed from this cluster: wipe its data directory, then start and add it");
    Refused::new(Why::Unfit, message)
}
