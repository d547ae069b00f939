use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use quorate_store::NodeId;

use crate::leadership::Leadership;

/// Where each member is reached: at the address where it answered last, or else where the membership says.
///
/// The membership may be behind: a node that was started at another address is in it under the old one, and to change
/// that takes a leader, whose election takes the addresses. A wrong address does no harm: every call names the node that
/// is meant, and another one refuses it. So the membership says who the members are, and this only where to look for them.
#[derive(Clone, Default)]
pub(crate) struct AddressBook(Arc<Inner>);

#[derive(Default)]
struct Inner {
    found: Mutex<HashMap<NodeId, Found>>,
    /// Set as soon as Raft runs.
    leadership: OnceLock<Leadership>,
}

struct Found {
    addr: String,
    /// What the membership said then: once it says something else, it knows better.
    stored: Option<String>,
}

impl AddressBook {
    /// Follows the membership from now on.
    pub(crate) fn follow(&self, leadership: Leadership) {
        assert!(self.0.leadership.set(leadership).is_ok(), "a book follows one membership");
    }

    /// Where a node is reached; `None` for one that never answered and is no member.
    pub(crate) fn of(&self, id: NodeId) -> Option<String> {
        let stored = self.stored(id);
        let found = self.0.found.lock();
        let found = found.get(&id).filter(|found| found.stored == stored).map(|found| found.addr.clone());
        found.or(stored)
    }

    /// Every address in it: those of the other members, and those where somebody was found.
    pub(crate) fn addresses(&self, own_id: NodeId) -> BTreeSet<String> {
        let mut all: BTreeSet<String> =
            self.0.found.lock().values().map(|found| found.addr.clone()).collect();
        if let Some(leadership) = self.0.leadership.get() {
            let stored = leadership.membership();
            let others = stored.membership().nodes().filter(|(id, _)| **id != own_id);
            all.extend(others.map(|(_, node)| node.peer_addr.clone()));
        }
        all
    }

    /// A node of this cluster answered at this address.
    pub(crate) fn found(&self, id: NodeId, addr: &str) {
        let stored = self.stored(id);
        let mut found = self.0.found.lock();
        found.retain(|other, found| *other == id || found.addr != addr);
        let before = found.insert(id, Found { addr: addr.to_owned(), stored: stored.clone() });
        if stored.is_some_and(|stored| stored != addr) && before.is_none_or(|before| before.addr != addr) {
            tracing::info!(
                node_id = id,
                addr,
                "a member is found at another address than the membership has"
            );
        }
    }

    /// Nobody answers at this address, or nobody of this cluster.
    pub(crate) fn lost(&self, addr: &str) {
        self.0.found.lock().retain(|_, found| found.addr != addr);
    }

    fn stored(&self, id: NodeId) -> Option<String> {
        let stored = self.0.leadership.get()?.membership();
        stored.membership().get_node(&id).map(|node| node.peer_addr.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_address_at_which_a_node_answered_counts() {
        let book = AddressBook::default();
        assert_eq!(book.of(1), None);
        book.found(1, "a:1");
        book.found(2, "b:1");
        book.found(1, "c:1");
        assert_eq!(book.of(1).as_deref(), Some("c:1"));
        assert_eq!(book.addresses(3), BTreeSet::from(["b:1".to_owned(), "c:1".to_owned()]));
    }

    #[test]
    fn an_address_belongs_to_one_node_or_to_none() {
        let book = AddressBook::default();
        book.found(1, "a:1");
        book.found(2, "a:1");
        assert_eq!((book.of(1), book.of(2).as_deref()), (None, Some("a:1")));
        book.lost("a:1");
        assert_eq!(book.of(2), None);
    }
}
