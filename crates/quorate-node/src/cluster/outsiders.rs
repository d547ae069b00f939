use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use quorate_proto::peer::v1 as pb;
use quorate_store::NodeId;
use tokio::time::Instant;

use crate::config::{is_addr, is_name};
use crate::limits;

/// The nodes that have asked this one lately and are no members: those that apply, and those that were removed and run all the
/// same. A clone is the same list.
#[derive(Clone, Default)]
pub(crate) struct Outsiders {
    all: Arc<Mutex<HashMap<NodeId, (pb::Outsider, Instant)>>>,
    one_a_name: bool,
}

impl Outsiders {
    /// Where a name takes a certificate, nobody stands there more than once under his: he cannot take the room of others.
    pub(crate) fn new(one_a_name: bool) -> Outsiders {
        Outsiders { one_a_name, ..Outsiders::default() }
    }

    /// Notes one that asks. Of too many the last ones are not noted, nor what can be no node's name or address.
    pub(crate) fn note(&self, asker: pb::Outsider) {
        let mut all = self.all.lock();
        let is_before =
            |id, before: &pb::Outsider| self.one_a_name && before.name == asker.name && id != asker.node_id;
        all.retain(|id, (one, at)| at.elapsed() < limits::OUTSIDER_AGE && !is_before(*id, one));
        let has_room = all.len() < limits::OUTSIDERS || all.contains_key(&asker.node_id);
        if has_room && is_name(&asker.name) && is_addr(&asker.peer_addr) {
            all.insert(asker.node_id, (asker, Instant::now()));
        }
    }

    /// Those that are not among the members. Whoever is one is forgotten: what it is when it is none any more it says anew.
    pub(crate) fn beside(&self, is_member: impl Fn(NodeId) -> bool) -> Vec<pb::Outsider> {
        let mut all = self.all.lock();
        all.retain(|id, (_, at)| at.elapsed() < limits::OUTSIDER_AGE && !is_member(*id));
        all.values().map(|(outsider, _)| outsider.clone()).collect()
    }

    /// One that asked is none of both, as far as it knows.
    pub(crate) fn forget(&self, id: NodeId) {
        self.all.lock().remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(node_id: NodeId) -> pb::Outsider {
        pb::Outsider { node_id, name: "n4".into(), peer_addr: "n4:9080".into(), ..Default::default() }
    }

    #[test]
    fn who_has_a_certificate_takes_one_place() {
        let outsiders = Outsiders::new(true);
        outsiders.note(pb::Outsider { name: "n5".into(), ..asks(99) });
        for id in 1..=limits::OUTSIDERS as u64 + 1 {
            outsiders.note(asks(id));
        }
        let mut left: Vec<NodeId> = outsiders.beside(|_| false).into_iter().map(|one| one.node_id).collect();
        left.sort_unstable();
        assert_eq!(left, [limits::OUTSIDERS as u64 + 1, 99], "the last one, and the other name's");
    }

    #[tokio::test(start_paused = true)]
    async fn they_are_forgotten_and_are_not_too_many() {
        let outsiders = Outsiders::default();
        for id in 1..=limits::OUTSIDERS as u64 + 1 {
            outsiders.note(asks(id));
        }
        assert_eq!(outsiders.beside(|_| false).len(), limits::OUTSIDERS);
        assert_eq!(outsiders.beside(|id| id != 1).len(), 1, "the others are members meanwhile");
        assert_eq!(outsiders.beside(|_| false).len(), 1, "and may have become something else");
        tokio::time::advance(limits::OUTSIDER_AGE / 2).await;
        outsiders.note(asks(1));
        outsiders.note(pb::Outsider { name: "\n".into(), ..asks(1) });
        for addr in ["", "n4", "n4:9080/\n", "a@n4:9080", &format!("{}:1", "n".repeat(1_000))] {
            outsiders.note(pb::Outsider { peer_addr: addr.to_owned(), ..asks(2) });
        }
        tokio::time::advance(limits::OUTSIDER_AGE / 2).await;
        let left: Vec<NodeId> = outsiders.beside(|_| false).into_iter().map(|one| one.node_id).collect();
        assert_eq!(left, [1], "it has asked again");
    }
}
