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
        });
        v1::Membership {
            configs: configs.map(|ids| v1::VoterSet { node_ids: ids.iter().copied().collect() }).collect(),
            members: members.collect(),
        }
    }

    fn from_message(m: v1::Membership) -> Result<Membership, Malformed> {
        let configs = m.configs.into_iter().map(|set| BTreeSet::from_iter(set.node_ids)).collect();
        let members = m
            .members
            .into_iter()
            .map(|m| (m.node_id, Node { name: m.name, peer_addr: m.peer_addr, http_addr: m.http_addr }));
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
