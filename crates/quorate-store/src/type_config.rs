use std::fmt;

use bytes::Bytes;

/// A node's id: random, drawn when its data directory is made, never reused.
pub type NodeId = u64;

openraft::declare_raft_types!(
    /// The types that Raft is instantiated with.
    pub TypeConfig:
        D = BatchBytes,
        R = (),
        NodeId = NodeId,
        Node = Node,
        LeaderId = openraft::impls::leader_id_std::LeaderId<u64, NodeId>,
);

/// An encoded [`quorate_core::Batch`]: the leader encodes it once, the same bytes are stored and shipped, and each
/// replica decodes them once, to apply them.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct BatchBytes(pub Bytes);

impl fmt::Debug for BatchBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "batch of {} bytes", self.0.len())
    }
}

impl fmt::Display for BatchBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What the membership says of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// Its name: a label that a newcomer may inherit from a dead node.
    pub name: String,
    /// Where its peers reach it, `host:port`.
    pub peer_addr: String,
    /// Where clients reach it, `host:port`.
    pub http_addr: String,
    /// The member whose place it takes when it becomes a voter.
    pub replaces: Option<NodeId>,
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.name, self.peer_addr)
    }
}

/// Where an entry stands in the log: its leader's term, and its index.
pub type LogId = openraft::alias::LogIdOf<TypeConfig>;
/// Whom a node voted for, and whether a quorum did.
pub type Vote = openraft::alias::VoteOf<TypeConfig>;
/// One entry of the Raft log.
pub type Entry = openraft::alias::EntryOf<TypeConfig>;
/// The voters, or two sets of them during a change, and the learners.
pub type Membership = openraft::Membership<NodeId, Node>;
/// A membership, and the entry that holds it.
pub type StoredMembership = openraft::alias::StoredMembershipOf<TypeConfig>;
