use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use quorate_proto::peer::v1 as pb;
use quorate_store::NodeId;
use quorate_tls::Names;
use tokio::time::Instant;
use tonic::Status;

use super::Identity;
use crate::config::is_name;
use crate::leadership::Leadership;
use crate::{NodeConfig, limits};

/// Which name a node's certificate must bear.
///
/// The membership says it of members. This node's own may be behind: then a member of it says who has come since. A node that is no
/// member yet believes those that it was configured with, too. Nobody can speak for himself: who was removed is in no member's list,
/// and a list that is no later than this node's own says nothing.
#[derive(Clone)]
pub(crate) struct Roster(Arc<Inner>);

struct Inner {
    identity: Identity,
    own_name: String,
    configured: BTreeSet<String>,
    /// Set as soon as Raft runs.
    leadership: OnceLock<Leadership>,
    told: Mutex<HashMap<NodeId, Told>>,
}

/// What somebody has said of a node.
struct Told {
    name: String,
    by: String,
    /// The teller's cluster, and the log index of the membership that it had it from.
    cluster_id: String,
    index: u64,
    at: Instant,
}

impl Roster {
    pub(crate) fn new(identity: Identity, config: &NodeConfig) -> Roster {
        Roster::of(identity, &config.name, config.peers.iter().map(|(name, _)| name.clone()).collect())
    }

    /// Of a node that knows these by configuration.
    pub(crate) fn of(identity: Identity, own_name: &str, configured: BTreeSet<String>) -> Roster {
        let own_name = own_name.to_owned();
        let (leadership, told) = (OnceLock::new(), Mutex::default());
        Roster(Arc::new(Inner { identity, own_name, configured, leadership, told }))
    }

    /// Follows the membership from now on.
    pub(crate) fn follow(&self, leadership: Leadership) {
        assert!(self.0.leadership.set(leadership).is_ok(), "a roster follows one membership");
    }

    /// The name of a node; `None`: nobody has said it who should know.
    pub(crate) fn name_of(&self, id: NodeId) -> Option<String> {
        if id == self.0.identity.node_id {
            return Some(self.0.own_name.clone());
        }
        self.member(id).or_else(|| {
            let told = self.0.told.lock();
            let told = told.get(&id).filter(|told| told.at.elapsed() < limits::TOLD_AGE)?;
            let is_of_cluster = self.0.identity.cluster_id.get().is_none_or(|own| *own == told.cluster_id);
            let is_news = Some(told.index) > self.index();
            (is_of_cluster && is_news && self.introduces(&told.by)).then(|| told.name.clone())
        })
    }

    /// Whether who has this certificate may speak as that node.
    pub(crate) fn admits(&self, id: NodeId, names: &Names) -> bool {
        self.name_of(id).is_some_and(|name| names.bear(&name))
    }

    /// Looks at who calls itself `name` and `id`, of whom nothing else may be known. A member under another name must bear both.
    ///
    /// # Errors
    /// The certificate says something else.
    pub(crate) fn check(&self, id: NodeId, name: &str, names: &Names) -> Result<(), Status> {
        let known =
            if id == self.0.identity.node_id { Some(self.0.own_name.clone()) } else { self.member(id) };
        match [Some(name), known.as_deref()].into_iter().flatten().find(|name| !names.bear(name)) {
            None => Ok(()),
            Some(name) => Err(Status::permission_denied(format!(
                "a node that says it is {name} has a certificate of {names}"
            ))),
        }
    }

    /// Whether somebody has said of a node who should know that there is one of this id and name, which were [checked](Roster::check):
    /// the membership, a member, or this node's configuration. What anybody else says is his word alone.
    pub(crate) fn knows(&self, id: NodeId, name: &str) -> bool {
        let is_own = id == self.0.identity.node_id;
        is_own
            || self.member(id).is_some()
            || self.introduces(name)
            || self.name_of(id).is_some_and(|told| told == name)
    }

    /// Whether a node of that name is believed when it says who the others are.
    fn introduces(&self, name: &str) -> bool {
        let Some(leadership) = self.0.leadership.get() else { return self.0.configured.contains(name) };
        let stored = leadership.membership();
        let membership = stored.membership();
        let is_member = membership.get_node(&self.0.identity.node_id).is_some();
        membership.nodes().any(|(_, node)| node.name == name)
            || (!is_member && self.0.configured.contains(name))
    }

    /// Takes what somebody has said of itself and of others, as far as the certificate allows; and whether it is one that this node
    /// [knows](Roster::knows).
    ///
    /// # Errors
    /// It is not who it says it is.
    pub(crate) fn hear(&self, answer: &pb::DiscoverResponse, names: &Names) -> Result<bool, Status> {
        self.check(answer.node_id, &answer.name, names)?;
        if !self.introduces(&answer.name) {
            return Ok(self.knows(answer.node_id, &answer.name));
        }
        let own = pb::KnownMember { node_id: answer.node_id, name: answer.name.clone() };
        let mut told = self.0.told.lock();
        told.retain(|_, told| told.at.elapsed() < limits::TOLD_AGE);
        for pb::KnownMember { node_id, name } in answer.members.iter().cloned().chain([own]) {
            let has_room = told.len() < limits::TOLD || told.contains_key(&node_id);
            if has_room && node_id != self.0.identity.node_id && is_name(&name) {
                let (by, cluster_id) = (answer.name.clone(), answer.cluster_id.clone());
                let index = answer.effective_members_index;
                told.insert(node_id, Told { name, by, cluster_id, index, at: Instant::now() });
            }
        }
        Ok(true)
    }

    /// The log index of the membership that this node has.
    fn index(&self) -> Option<u64> {
        self.0.leadership.get()?.membership().log_id().map(|log_id| log_id.index)
    }

    fn member(&self, id: NodeId) -> Option<String> {
        let stored = self.0.leadership.get()?.membership();
        stored.membership().get_node(&id).map(|node| node.name.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::Run;

    /// Of n1, which was configured with n2.
    fn roster(cluster_id: Option<&str>) -> Roster {
        let cluster_id = Arc::new(cluster_id.map_or_else(OnceLock::new, |id| OnceLock::from(id.to_owned())));
        let identity = Identity { node_id: 1, cluster_id, run: Run::NONE, former: Arc::default() };
        Roster::of(identity, "n1", ["n1", "n2"].map(str::to_owned).into())
    }

    fn bearing(name: &str) -> Names {
        Names { dns: vec![name.to_owned()], ips: Vec::new() }
    }

    fn answer(id: NodeId, name: &str, members: &[(NodeId, &str)]) -> pb::DiscoverResponse {
        let member = |(node_id, name): &(NodeId, &str)| pb::KnownMember {
            node_id: *node_id,
            name: (*name).to_owned(),
        };
        let (name, cluster_id) = (name.to_owned(), "a".to_owned());
        let members = members.iter().map(member).collect();
        pb::DiscoverResponse { node_id: id, name, cluster_id, members, ..Default::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn only_who_is_known_introduces_others_and_not_for_ever() {
        let roster = roster(None);
        let known = roster.hear(&answer(9, "n9", &[(3, "n9")]), &bearing("n9")).unwrap();
        assert_eq!((known, roster.name_of(9), roster.name_of(3)), (false, None, None), "nobody knows it");
        assert!(roster.hear(&answer(2, "n2", &[(3, "n3"), (1, "n2"), (4, "\n")]), &bearing("n2")).unwrap());
        let names = [1, 2, 3, 4].map(|id| roster.name_of(id));
        let name = |name: &str| Some(name.to_owned());
        assert_eq!(names, [name("n1"), name("n2"), name("n3"), None]);
        assert!(roster.admits(3, &bearing("n3")) && !roster.admits(3, &bearing("n2")));
        assert!(roster.hear(&answer(3, "n3", &[(9, "n9")]), &bearing("n3")).unwrap(), "it was introduced");
        assert_eq!(roster.name_of(9), None, "and introduces nobody");
        assert!(!roster.knows(3, "n9") && !roster.knows(9, "n3"));
        tokio::time::advance(limits::TOLD_AGE).await;
        assert_eq!(roster.name_of(3), None);
    }

    #[test]
    fn what_another_cluster_says_of_its_nodes_counts_for_nothing() {
        let (own, other) = (roster(Some("a")), roster(Some("b")));
        for (roster, name) in [(own, Some("n3".to_owned())), (other, None)] {
            roster.hear(&answer(2, "n2", &[(3, "n3")]), &bearing("n2")).unwrap();
            assert_eq!(roster.name_of(3), name);
        }
    }

    #[test]
    fn nobody_is_who_his_certificate_does_not_say() {
        let roster = roster(None);
        assert!(roster.hear(&answer(2, "n2", &[(3, "n9")]), &bearing("n9")).is_err());
        assert!(
            roster.hear(&answer(1, "n9", &[]), &bearing("n9")).is_err(),
            "another one with this node's id"
        );
        assert_eq!((roster.name_of(2), roster.name_of(3)), (None, None));
    }
}
