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
    has_certificates: bool,
}

impl Outsiders {
    /// Where a name takes a certificate, one stands there under it that applies, and one that was removed: nobody takes the room of
    /// others. The first has the name until it asks no more, so that whoever asks for it means that one, whoever comes later.
    pub(crate) fn new(has_certificates: bool) -> Outsiders {
        Outsiders { has_certificates, ..Outsiders::default() }
    }

    /// Notes one that asks. Of too many the last ones are not noted, nor what can be no node's name or address.
    pub(crate) fn note(&self, asker: pb::Outsider) {
        let mut all = self.all.lock();
        all.retain(|_, (_, at)| at.elapsed() < limits::OUTSIDER_AGE);
        if !is_name(&asker.name) || !is_addr(&asker.peer_addr) {
            return;
        }
        if self.has_certificates {
            let is_rival = |(id, (one, _)): &(&NodeId, &(pb::Outsider, Instant))| {
                **id != asker.node_id && one.name == asker.name && one.removed == asker.removed
            };
            let rival =
                all.iter().find(is_rival).map(|(id, (one, _))| (*id, one.peer_addr == asker.peer_addr));
            match rival {
                None => {}
                // It was wiped since.
                Some((id, true)) => drop(all.remove(&id)),
                Some((_, false)) => return,
            }
        }
        if all.len() < limits::OUTSIDERS || all.contains_key(&asker.node_id) {
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

    fn at(node_id: NodeId, port: u16) -> pb::Outsider {
        pb::Outsider { peer_addr: format!("n4:{port}"), ..asks(node_id) }
    }

    fn ids(outsiders: &Outsiders) -> Vec<NodeId> {
        let mut ids: Vec<NodeId> = outsiders.beside(|_| false).into_iter().map(|one| one.node_id).collect();
        ids.sort_unstable();
        ids
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_who_has_a_certificate_has_its_name_until_it_asks_no_more() {
        let outsiders = Outsiders::new(true);
        outsiders.note(pb::Outsider { name: "n5".into(), ..asks(99) });
        for id in 1..=limits::OUTSIDERS as u64 + 1 {
            outsiders.note(at(id, 9_080 + id as u16));
        }
        assert_eq!(ids(&outsiders), [1, 99], "the first one, and the other name's");
        tokio::time::advance(limits::OUTSIDER_AGE / 2).await;
        outsiders.note(at(1, 9_081));
        outsiders.note(at(2, 9_082));
        tokio::time::advance(limits::OUTSIDER_AGE / 2).await;
        outsiders.note(at(2, 9_082));
        assert_eq!(ids(&outsiders), [1], "it goes on asking");
        tokio::time::advance(limits::OUTSIDER_AGE / 2).await;
        outsiders.note(at(2, 9_082));
        assert_eq!(ids(&outsiders), [2], "it asks no more");
    }

    #[test]
    fn one_that_was_wiped_is_known_by_its_place_and_one_that_was_removed_keeps_nobody_away() {
        let outsiders = Outsiders::new(true);
        outsiders.note(at(1, 9_081));
        outsiders.note(at(2, 9_081));
        assert_eq!(ids(&outsiders), [2], "another one in the same place");
        outsiders.note(pb::Outsider { removed: true, ..at(3, 9_083) });
        outsiders.note(pb::Outsider { removed: true, ..at(4, 9_084) });
        assert_eq!(ids(&outsiders), [2, 3]);
        outsiders.note(pb::Outsider { peer_addr: "nowhere".into(), ..at(5, 0) });
        assert_eq!(ids(&outsiders), [2, 3], "what can be no node's keeps nobody away");
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
