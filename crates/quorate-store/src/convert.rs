//! openraft's values as messages, on disk and between nodes.

use std::collections::{BTreeMap, BTreeSet};

use openraft::EntryPayload;
use openraft::vote::leader_id_std::CommittedLeaderId;
use quorate_proto::{Malformed, log::v1};

use crate::type_config::{BatchBytes, Entry, LogId, Membership, Node, StoredMembership, Vote};

/// A value that has a message. Both are foreign types, so `From` and `TryFrom` cannot say it.
pub trait ProtoForm: Sized {
    /// The message.
    type Message;

    /// The message that says this.
    fn to_message(&self) -> Self::Message;

    /// What the message says.
    ///
    /// # Errors
    ///
    /// A required field is missing or out of range.
    fn from_message(message: Self::Message) -> Result<Self, Malformed>;
}

/// A required field of a message.
fn required<T: ProtoForm>(
    field: Option<T::Message>,
    message: &'static str,
    name: &'static str,
) -> Result<T, Malformed> {
    T::from_message(field.ok_or(Malformed::Field { message, field: name })?)
}

impl ProtoForm for LogId {
    type Message = v1::LogId;

    fn to_message(&self) -> v1::LogId {
        v1::LogId { term: self.leader_id.term, index: self.index }
    }

    fn from_message(m: v1::LogId) -> Result<LogId, Malformed> {
        Ok(LogId { leader_id: CommittedLeaderId::new(m.term), index: m.index })
    }
}

impl ProtoForm for Vote {
    type Message = v1::Vote;

    fn to_message(&self) -> v1::Vote {
        v1::Vote { term: self.leader_id.term, node_id: self.leader_id.voted_for, committed: self.committed }
    }

    fn from_message(m: v1::Vote) -> Result<Vote, Malformed> {
        Ok(if m.committed { Vote::new_committed(m.term, m.node_id) } else { Vote::new(m.term, m.node_id) })
    }
}

impl ProtoForm for Entry {
    type Message = v1::Entry;

    fn to_message(&self) -> v1::Entry {
        let payload = match &self.payload {
            EntryPayload::Blank => v1::entry::Payload::Blank(v1::Blank {}),
            EntryPayload::Normal(batch) => v1::entry::Payload::Batch(batch.0.clone()),
            EntryPayload::Membership(m) => v1::entry::Payload::Membership(m.to_message()),
        };
        v1::Entry { log_id: Some(self.log_id.to_message()), payload: Some(payload) }
    }

    fn from_message(m: v1::Entry) -> Result<Entry, Malformed> {
        let log_id = required(m.log_id, "Entry", "log_id")?;
        let payload = match m.payload.ok_or(Malformed::Field { message: "Entry", field: "payload" })? {
            v1::entry::Payload::Blank(v1::Blank {}) => EntryPayload::Blank,
            v1::entry::Payload::Batch(bytes) => EntryPayload::Normal(BatchBytes(bytes)),
            v1::entry::Payload::Membership(m) => EntryPayload::Membership(Membership::from_message(m)?),
        };
        Ok(Entry { log_id, payload })
    }
}

impl ProtoForm for Membership {
    type Message = v1::Membership;

    fn to_message(&self) -> v1::Membership {
        let configs = self.get_joint_config().iter();
        let members = self.nodes().map(|(&node_id, node)| v1::Member {
            node_id,
            name: node.name.clone(),
            peer_addr: node.peer_addr.clone(),
            http_addr: node.http_addr.clone(),
            replaces: node.replaces.unwrap_or_default(),
        });
        v1::Membership {
            configs: configs.map(|ids| v1::VoterSet { node_ids: ids.iter().copied().collect() }).collect(),
            members: members.collect(),
        }
    }

    fn from_message(m: v1::Membership) -> Result<Membership, Malformed> {
        let configs = m.configs.into_iter().map(|set| BTreeSet::from_iter(set.node_ids)).collect();
        let members = m.members.into_iter().map(|m| {
            let replaces = (m.replaces != 0).then_some(m.replaces);
            let node = Node { name: m.name, peer_addr: m.peer_addr, http_addr: m.http_addr, replaces };
            (m.node_id, node)
        });
        // It refuses an empty voter set, and a voter that is no member.
        Membership::new(configs, BTreeMap::from_iter(members))
            .map_err(|_| Malformed::Field { message: "Membership", field: "configs" })
    }
}

impl ProtoForm for StoredMembership {
    type Message = v1::StoredMembership;

    fn to_message(&self) -> v1::StoredMembership {
        v1::StoredMembership {
            log_id: self.log_id().as_ref().map(LogId::to_message),
            membership: Some(self.membership().to_message()),
        }
    }

    fn from_message(m: v1::StoredMembership) -> Result<StoredMembership, Malformed> {
        let log_id = m.log_id.map(LogId::from_message).transpose()?;
        Ok(StoredMembership::new(log_id, required(m.membership, "StoredMembership", "membership")?))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    fn log_id() -> impl Strategy<Value = LogId> {
        (any::<u64>(), any::<u64>())
            .prop_map(|(term, index)| LogId { leader_id: CommittedLeaderId::new(term), index })
    }

    /// One voter set or two, or none, and learners.
    fn membership() -> impl Strategy<Value = Membership> {
        let ids = || prop::collection::btree_set(any::<u64>(), 1..4);
        (prop::collection::vec(ids(), 0..3), ids()).prop_map(|(configs, learners)| {
            let ids: BTreeSet<u64> = configs.iter().flatten().chain(&learners).copied().collect();
            let node = |id| Node {
                name: format!("n{id}"),
                peer_addr: format!("{id}:1"),
                http_addr: format!("{id}:2"),
                replaces: (id % 2 == 1).then_some(id),
            };
            Membership::new(configs, ids.into_iter().map(|id| (id, node(id))).collect::<BTreeMap<_, _>>())
                .unwrap()
        })
    }

    fn payload() -> impl Strategy<Value = EntryPayload<BatchBytes, u64, Node>> {
        prop_oneof![
            Just(EntryPayload::Blank),
            any::<Vec<u8>>().prop_map(|bytes| EntryPayload::Normal(BatchBytes(Bytes::from(bytes)))),
            membership().prop_map(EntryPayload::Membership),
        ]
    }

    /// What it is after it was a message.
    fn again<T: ProtoForm>(value: &T) -> T {
        T::from_message(value.to_message()).unwrap()
    }

    proptest! {
        #[test]
        fn every_value_comes_back(
            log_id in log_id(),
            payload in payload(),
            membership in membership(),
            (term, node_id, committed) in any::<(u64, u64, bool)>(),
            initial in any::<bool>(),
        ) {
            let vote = if committed { Vote::new_committed(term, node_id) } else { Vote::new(term, node_id) };
            let entry = Entry { log_id, payload };
            let stored = StoredMembership::new((!initial).then_some(log_id), membership);
            prop_assert_eq!(again(&log_id), log_id);
            prop_assert_eq!(again(&vote), vote);
            prop_assert_eq!(again(&entry), entry);
            prop_assert_eq!(again(&stored), stored);
        }
    }

    #[test]
    fn what_misses_a_field_is_refused() {
        let log_id = Some(v1::LogId { term: 1, index: 2 });
        let field = |message, field| Malformed::Field { message, field };
        let no_payload = Entry::from_message(v1::Entry { log_id, payload: None });
        assert_eq!(no_payload.unwrap_err(), field("Entry", "payload"));
        let blank = Some(v1::entry::Payload::Blank(v1::Blank {}));
        let no_id = Entry::from_message(v1::Entry { log_id: None, payload: blank });
        assert_eq!(no_id.unwrap_err(), field("Entry", "log_id"));
        let no_membership = StoredMembership::from_message(v1::StoredMembership { log_id, membership: None });
        assert_eq!(no_membership.unwrap_err(), field("StoredMembership", "membership"));
        // A voter that is no member, and an empty set of voters.
        for node_ids in [vec![1], vec![]] {
            let configs = vec![v1::VoterSet { node_ids }];
            let refused = Membership::from_message(v1::Membership { configs, members: vec![] });
            assert_eq!(refused.unwrap_err(), field("Membership", "configs"));
        }
    }
}
