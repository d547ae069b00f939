use std::collections::BTreeSet;

use openraft::ChangeMembers;
use quorate_core::FeatureLevel;
use quorate_proto::peer::v1 as pb;
use quorate_store::{Membership, Node, NodeId, StoredMembership};
use tokio::time::{Instant, sleep};

use crate::cluster::membership::successor;
use crate::cluster::order::carry_out::{No, Orders, bearers, may_change, unchanged};
use crate::cluster::order::{Done, Refused, Why};
use crate::config::{is_addr, is_name};
use crate::limits;

impl Orders {
    pub(super) async fn add(
        &self,
        name: &str,
        peer_addr: Option<String>,
        replaces: Option<&str>,
        stored: &StoredMembership,
        expected: Option<u64>,
    ) -> Result<Done, No> {
        let membership = stored.membership();
        if !is_name(name) || !peer_addr.as_deref().is_none_or(is_addr) {
            let message = "a node has a name of letters, digits, `-`, `_`, `.`, and is at HOST:PORT";
            return Err(Refused::new(Why::Unfit, message.to_owned()).into());
        }
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
        let until = Instant::now() + limits::NEWCOMER;
        let answer = loop {
            match self.peers().ask_anybody(addr).await {
                Some(answer) => break answer,
                None if Instant::now() >= until => {
                    return unfit(format!("{name} does not answer at {addr}"));
                }
                None => sleep(limits::JOIN_PAUSE).await,
            }
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
        // It says so to those alone whom it knows.
        if answer.feature_level == 0 {
            return unfit(format!(
                "{name} knows no member of this cluster, so it does not say what it understands: put one that answers into its --peers"
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

fn wipe_first(name: &str) -> Refused {
    let message =
        format!("{name} was removed from this cluster: wipe its data directory, then start and add it");
    Refused::new(Why::Unfit, message)
}
