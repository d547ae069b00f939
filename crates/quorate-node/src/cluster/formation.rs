use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use quorate_proto::peer::v1::{DiscoverResponse, JoinResponse};
use quorate_store::{DataDir, Node, NodeId, StoreError};

use crate::Raft;
use crate::cluster::membership::{Admission, is_borne};
use crate::cluster::not_yet::NO_MAJORITY;
use crate::cluster::peers::Peers;
use crate::limits;

/// How this node comes to be a voter of a cluster, under the name and at the addresses that it is configured with: it
/// makes the cluster with the others of its list, or joins it.
///
/// The first node of the list makes the cluster, once, when every listed node answers and none has been in one. It
/// draws the cluster's id, waits until all have it on disk, and initialises Raft with all of them. Every other case is
/// a join: of a node that somebody has asked for, whose directory was wiped, or that was started at another address. Until
/// it is done, all addresses are asked, and are told where this node is: so members that have all moved find each other.
pub(crate) struct Formation {
    pub(crate) peers: Peers,
    pub(crate) raft: Raft,
    pub(crate) dir: Arc<DataDir>,
    pub(crate) admission: Admission,
}

impl Formation {
    /// Makes this node a voter that is where the membership says, and looks after that for as long as it runs: a change counts
    /// as soon as it is in the log, and is taken back where its leader dies before it is committed. Once removed, it does not come
    /// back.
    pub(crate) async fn form(self) {
        let mut leadership = self.peers.leadership.clone();
        self.ask_while(|| !(self.is_voter() && self.is_where_the_membership_says())).await;
        loop {
            self.say_whether_the_name_is_borne();
            while !self.is_set_back() {
                if !self.is_member() {
                    self.peers.station.look_soon();
                }
                leadership.changed().await;
            }
            self.ask_while(|| self.is_set_back()).await;
        }
    }

    async fn ask_while(&self, is_needed: impl Fn() -> bool) {
        let mut told = BTreeSet::new();
        while is_needed() {
            if self.peers.station.is_removed() {
                return std::future::pending().await;
            }
            let waits_for = match self.step().await {
                Ok(waits_for) => waits_for + &self.peers.refused_by(),
                Err(error) => format!("the cluster's id to be noted, which fails: {error}"),
            };
            if told.insert(waits_for.clone()) {
                tracing::info!("waiting for {waits_for}");
            }
            self.peers.station.set_waits_for(Some(waits_for));
            tokio::time::sleep(if self.peers.station.applies() {
                limits::APPLY_PAUSE
            } else {
                limits::JOIN_PAUSE
            })
            .await;
        }
        self.peers.station.set_applies(false);
        self.peers.station.set_waits_for(None);
    }

    fn say_whether_the_name_is_borne(&self) {
        let own = self.peers.as_member();
        let stored = self.peers.leadership.membership();
        if is_borne(&own.name, own.node_id, stored.membership()) {
            tracing::warn!(
                name = own.name,
                "another member bears this node's name: it is shown under its old one"
            );
        }
    }

    /// A member that is a learner only, or that the membership has elsewhere or under another name. One that is being
    /// removed is a voter until it is no member.
    fn is_set_back(&self) -> bool {
        self.is_member() && !(self.votes() && self.is_where_the_membership_says())
    }

    fn is_member(&self) -> bool {
        let own = self.peers.process.identity.node_id;
        self.peers.leadership.membership().membership().get_node(&own).is_some()
    }

    /// In either half of a change.
    fn votes(&self) -> bool {
        let own = self.peers.process.identity.node_id;
        self.peers.leadership.membership().membership().voter_ids().any(|voter| voter == own)
    }

    /// A voter for good: no change is under way.
    fn is_voter(&self) -> bool {
        let stored = self.peers.leadership.membership();
        match stored.membership().get_joint_config().as_slice() {
            [voters] => voters.contains(&self.peers.process.identity.node_id),
            _ => false,
        }
    }

    fn is_where_the_membership_says(&self) -> bool {
        let own = self.peers.as_member();
        let stored = self.peers.leadership.membership();
        let Some(node) = stored.membership().get_node(&own.node_id) else { return false };
        if node.name != own.name && !is_borne(&own.name, own.node_id, stored.membership()) {
            return false;
        }
        node.peer_addr == own.peer_addr && node.http_addr == own.http_addr
    }

    /// Does what can be done now, and says what is waited for.
    async fn step(&self) -> Result<String, StoreError> {
        let addresses = self.peers.addresses();
        let answers = self.peers.ask_all(&addresses).await;
        let silent: Vec<&str> = addresses
            .iter()
            .zip(&answers)
            .filter(|(_, answer)| answer.is_none())
            .map(|(addr, _)| addr.as_str())
            .collect();
        let seen: Vec<(&str, &DiscoverResponse)> = addresses
            .iter()
            .zip(&answers)
            .filter_map(|(addr, answer)| Some((addr.as_str(), answer.as_ref()?)))
            .collect();

        if self.peers.cluster_id().is_none() {
            // Who takes it in at another address says so again.
            self.peers.inviters.lock().retain(|inviter| !silent.contains(&inviter.as_str()));
        }
        let own = self.peers.cluster_id();
        if let Some(own) = own.filter(|_| self.peers.is_initialised()) {
            return Ok(self.join(own, &seen, &silent).await);
        }
        if let Some(member) = member_to_join_by(own, &seen) {
            // Until somebody has taken it in, it may turn to others.
            if member.has_asker {
                self.adopt(member)?;
            }
            self.peers.station.set_asks(Some(member.cluster_id.clone()));
            return Ok(self.join(&member.cluster_id, &seen, &silent).await);
        }
        if let Some(own) = own
            && let Some((addr, other)) = seen.iter().find(|(_, answer)| answer.initialised)
        {
            let DiscoverResponse { name, cluster_id, former_cluster_ids, .. } = other;
            let own_ended = former_cluster_ids.iter().any(|former| former == own);
            let why = if own_ended { "which was given up for that of" } else { "and not to that of" };
            return Ok(format!(
                "its data directory to be wiped: it belongs to the cluster {own}, {why} {name} at {addr}, {cluster_id}"
            ));
        }
        if !self.peers.process.config.is_first() {
            let first = &self.peers.process.config.peers[0].0;
            let maker =
                seen.iter().find(|(_, answer)| answer.name == *first && !answer.cluster_id.is_empty());
            if let Some((_, maker)) = maker {
                self.adopt(maker)?;
            }
            return Ok(format!("{first} to make the cluster, or a member to join by"));
        }
        if !silent.is_empty() {
            return Ok(format!("an answer from {}", silent.join(", ")));
        }
        let lost = seen.iter().find(|(_, answer)| answer.lost_data).map(|(addr, _)| *addr);
        if let Some(lost) = lost.or(self.peers.process.lost_data.then_some("this node")) {
            return Ok(format!("a member of the cluster that {lost} belonged to; no new one is made"));
        }
        self.make(&seen).await
    }

    /// Makes the cluster, if all the others have its id.
    async fn make(&self, others: &[(&str, &DiscoverResponse)]) -> Result<String, StoreError> {
        let adopted = others.iter().map(|(_, answer)| answer.cluster_id.as_str()).find(|id| !id.is_empty());
        let own = self.peers.cluster_id().or(adopted).map(ToOwned::to_owned);
        let cluster_id = own.unwrap_or_else(|| {
            uuid::Builder::from_random_bytes(self.peers.process.machine.draw()).into_uuid().to_string()
        });
        self.note_cluster(&cluster_id, &[])?;
        if let Some((addr, other)) = others.iter().find(|(_, answer)| answer.cluster_id != cluster_id) {
            return Ok(match other.cluster_id.as_str() {
                "" => format!("{addr} to note the cluster's id"),
                id => {
                    format!("{addr} to be set up anew: it belongs to the cluster {id}, not to {cluster_id}")
                }
            });
        }
        let own = self.peers.as_member();
        let mut members: BTreeMap<NodeId, Node> = BTreeMap::new();
        let node = |name, peer_addr, http_addr| Node { name, peer_addr, http_addr, replaces: None };
        members.insert(own.node_id, node(own.name, own.peer_addr, own.http_addr));
        for (addr, other) in others {
            let other_node = node(other.name.clone(), (*addr).to_owned(), other.http_addr.clone());
            members.insert(other.node_id, other_node);
        }
        if members.len() != self.peers.process.config.peers.len() {
            return Ok("different nodes at the listed addresses: two of them are the same".to_owned());
        }
        let names: Vec<&str> = members.values().map(|member| member.name.as_str()).collect();
        tracing::info!(cluster_id, members = names.join(","), "making the cluster");
        if let Err(error) = self.raft.initialize(members).await {
            tracing::debug!(%error, "it is made already, or will be");
        }
        Ok("the first election".to_owned())
    }

    /// Asks the leader for the next step; it may be this node. One that has a vote asks only a leader that has it as a member:
    /// another one has removed it.
    async fn join(&self, cluster_id: &str, seen: &[(&str, &DiscoverResponse)], silent: &[&str]) -> String {
        let (own, understood) = (self.peers.as_member(), self.peers.process.config.feature_level);
        if self.peers.leadership.here().is_some() {
            let step = self.admission.step(own, understood).await;
            return step
                .err()
                .map_or_else(|| "the log".to_owned(), |says| format!("this node as the leader: {says}"));
        }
        let members = || seen.iter().filter(|(_, a)| a.initialised && a.cluster_id == cluster_id);
        let Some((addr, leader)) = members().find(|(_, answer)| answer.leads) else {
            let named = members().any(|(_, answer)| answer.leader != 0);
            // A leader that is gone is named until there is another one; but where all answer, it is one that is not listed here.
            if named && silent.is_empty() && !self.is_member() {
                self.peers.station.set_applies(true);
                return format!(
                    "somebody to ask for this node, or to put the leader into its --peers: quorate cluster member add {}",
                    own.name
                );
            }
            return format!("the cluster to have a leader: {NO_MAJORITY}");
        };
        if self.votes() && !leader.knows_asker {
            return "a leader that has this node as a member".to_owned();
        }
        match self.peers.process.transport.join(leader, addr, own, understood).await {
            Ok(answer) => {
                let applies = answer.applicant && !self.is_member();
                // Taken in, it may wait long for the log. One that is told to wait, for another's change say, applies as before.
                if applies || answer.voter || leader.knows_asker || self.is_member() {
                    self.peers.station.set_applies(applies);
                }
                match answer {
                    JoinResponse { voter: true, .. } => "the leader's log".to_owned(),
                    JoinResponse { message, .. } if applies => message,
                    JoinResponse { message, .. } => format!("{addr}, the leader: {message}"),
                }
            }
            Err(status) => format!("{addr}, the leader: {}", status.message()),
        }
    }

    /// Becomes a node of somebody's cluster, if that has one.
    fn adopt(&self, of: &DiscoverResponse) -> Result<(), StoreError> {
        match of.cluster_id.as_str() {
            "" => Ok(()),
            id => self.note_cluster(id, &of.former_cluster_ids),
        }
    }

    /// Notes the cluster's id, and those that it was made of, on disk, then in every call.
    fn note_cluster(&self, id: &str, former: &[String]) -> Result<(), StoreError> {
        self.dir.adopt_cluster(id, former)?;
        let identity = &self.peers.process.identity;
        // A node that belonged to it already knows better.
        identity.former.get_or_init(|| former.to_vec());
        identity.cluster_id.get_or_init(|| id.to_owned());
        Ok(())
    }
}

/// A member of the cluster that this node can join: of its own; else of one that has taken it in, or was not given up for another.
fn member_to_join_by<'a>(
    own: Option<&str>,
    seen: &[(&str, &'a DiscoverResponse)],
) -> Option<&'a DiscoverResponse> {
    let lives = |id: &String| !seen.iter().any(|(_, answer)| answer.former_cluster_ids.contains(id));
    let is_own = |answer: &&DiscoverResponse| own.is_none_or(|own| own == answer.cluster_id);
    let members =
        || seen.iter().map(|(_, answer)| *answer).filter(|answer| answer.initialised).filter(is_own);
    let any = || members().find(|answer| own.is_some() || lives(&answer.cluster_id));
    members().find(|answer| answer.has_asker).or_else(any)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_joins_its_own_cluster_or_who_took_it_in_or_one_that_was_not_given_up() {
        let of = |cluster_id: &str, former: &[&str], has_asker| DiscoverResponse {
            cluster_id: cluster_id.to_owned(),
            former_cluster_ids: former.iter().map(ToString::to_string).collect(),
            initialised: true,
            has_asker,
            ..Default::default()
        };
        let joins = |own, answers: &[DiscoverResponse]| {
            let seen: Vec<(&str, &DiscoverResponse)> = answers.iter().map(|answer| ("h:1", answer)).collect();
            member_to_join_by(own, &seen).map(|answer| answer.cluster_id.clone()).unwrap_or_default()
        };
        let (old, new) = (of("a", &[], false), of("b", &["a"], false));
        assert_eq!(joins(None, &[old.clone(), new.clone()]), "b", "a was given up for b");
        assert_eq!(
            joins(None, &[new.clone(), of("a", &[], true)]),
            "a",
            "which lives: it has taken the node in"
        );
        assert_eq!(joins(Some("a"), &[new.clone(), old]), "a");
        assert_eq!(joins(Some("a"), &[new]), "", "the one that it belongs to is not there");
        assert_eq!(joins(None, &[DiscoverResponse { initialised: false, ..of("a", &[], true) }]), "");
    }
}
