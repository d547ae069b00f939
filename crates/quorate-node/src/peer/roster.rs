use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use quorate_proto::peer::v1 as pb;
use quorate_store::NodeId;
use quorate_tls::Names;
use tokio::time::Instant;
use tonic::Status;

use crate::config::is_name;
use crate::leadership::Leadership;
use crate::{NodeConfig, limits};

/// Which name a node's certificate must bear.
///
/// The membership says it of members. This node's own may be behind: then a member of it says who has come since. A node that is no
/// member yet believes those that it was configured with, too. Nobody can speak for himself: who was removed is in no member's list.
#[derive(Clone)]
pub(crate) struct Roster(Arc<Inner>);

struct Inner {
    own_id: NodeId,
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
    at: Instant,
}

impl Roster {
    pub(crate) fn new(own_id: NodeId, config: &NodeConfig) -> Roster {
        Roster::of(own_id, &config.name, config.peers.iter().map(|(name, _)| name.clone()).collect())
    }

    /// Of a node that knows these by configuration.
    pub(crate) fn of(own_id: NodeId, own_name: &str, configured: BTreeSet<String>) -> Roster {
        let own_name = own_name.to_owned();
        let (leadership, told) = (OnceLock::new(), Mutex::default());
        Roster(Arc::new(Inner { own_id, own_name, configured, leadership, told }))
    }

    /// Follows the membership from now on.
    pub(crate) fn follow(&self, leadership: Leadership) {
        assert!(self.0.leadership.set(leadership).is_ok(), "a roster follows one membership");
    }

    /// The name of a node; `None`: nobody has said it who should know.
    pub(crate) fn name_of(&self, id: NodeId) -> Option<String> {
        if id == self.0.own_id {
            return Some(self.0.own_name.clone());
        }
        self.member(id).or_else(|| {
            let told = self.0.told.lock();
            let told = told.get(&id).filter(|told| told.at.elapsed() < limits::TOLD_AGE)?;
            self.introduces(&told.by).then(|| told.name.clone())
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
        let known = if id == self.0.own_id { Some(self.0.own_name.clone()) } else { self.member(id) };
        match [Some(name), known.as_deref()].into_iter().flatten().find(|name| !names.bear(name)) {
            None => Ok(()),
            Some(name) => Err(Status::permission_denied(format!(
                "a node that says it is {name} has a certificate of {names}"
            ))),
        }
    }

    /// Whether a node of that name is believed when it says who the others are.
    pub(crate) fn introduces(&self, name: &str) -> bool {
        let Some(leadership) = self.0.leadership.get() else { return self.0.configured.contains(name) };
        let stored = leadership.membership();
        let membership = stored.membership();
        let is_member = membership.get_node(&self.0.own_id).is_some();
        membership.nodes().any(|(_, node)| node.name == name)
            || (!is_member && self.0.configured.contains(name))
    }

    /// Takes what somebody has said of itself and of others, as far as the certificate allows.
    ///
    /// # Errors
    /// It is not who it says it is.
    pub(crate) fn hear(&self, answer: &pb::DiscoverResponse, names: &Names) -> Result<(), Status> {
        self.check(answer.node_id, &answer.name, names)?;
        if !self.introduces(&answer.name) {
            return Ok(());
        }
        let own = pb::KnownMember { node_id: answer.node_id, name: answer.name.clone() };
        let mut told = self.0.told.lock();
        told.retain(|_, told| told.at.elapsed() < limits::TOLD_AGE);
        for pb::KnownMember { node_id, name } in answer.members.iter().cloned().chain([own]) {
            let has_room = told.len() < limits::TOLD || told.contains_key(&node_id);
            if has_room && node_id != self.0.own_id && is_name(&name) {
                told.insert(node_id, Told { name, by: answer.name.clone(), at: Instant::now() });
            }
        }
        Ok(())
    }

    fn member(&self, id: NodeId) -> Option<String> {
        let stored = self.0.leadership.get()?.membership();
        stored.membership().get_node(&id).map(|node| node.name.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearing(name: &str) -> Names {
        Names { dns: vec![name.to_owned()], ips: Vec::new() }
    }

    fn answer(id: NodeId, name: &str, members: &[(NodeId, &str)]) -> pb::DiscoverResponse {
        let member = |(node_id, name): &(NodeId, &str)| pb::KnownMember {
            node_id: *node_id,
            name: (*name).to_owned(),
        };
        let members = members.iter().map(member).collect();
        pb::DiscoverResponse { node_id: id, name: name.to_owned(), members, ..Default::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn only_who_is_known_introduces_others_and_not_for_ever() {
        let roster = Roster::of(1, "n1", ["n1", "n2"].map(str::to_owned).into());
        roster.hear(&answer(9, "n9", &[(3, "n9")]), &bearing("n9")).unwrap();
        assert_eq!((roster.name_of(9), roster.name_of(3)), (None, None), "nobody knows it");
        roster.hear(&answer(2, "n2", &[(3, "n3"), (1, "n2"), (4, "\n")]), &bearing("n2")).unwrap();
        let names = [1, 2, 3, 4].map(|id| roster.name_of(id));
        let name = |name: &str| Some(name.to_owned());
        assert_eq!(names, [name("n1"), name("n2"), name("n3"), None]);
        assert!(roster.admits(3, &bearing("n3")) && !roster.admits(3, &bearing("n2")));
        tokio::time::advance(limits::TOLD_AGE).await;
        assert_eq!(roster.name_of(3), None);
    }

    #[test]
    fn nobody_is_who_his_certificate_does_not_say() {
        let roster = Roster::of(1, "n1", ["n1", "n2"].map(str::to_owned).into());
        assert!(roster.hear(&answer(2, "n2", &[(3, "n9")]), &bearing("n9")).is_err());
        assert!(
            roster.hear(&answer(1, "n9", &[]), &bearing("n9")).is_err(),
            "another one with this node's id"
        );
        assert_eq!((roster.name_of(2), roster.name_of(3)), (None, None));
    }
}
