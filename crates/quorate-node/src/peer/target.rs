use openraft::errors::{NetworkError, RPCError, Unreachable};
use quorate_proto::Malformed;
use quorate_proto::peer::v1::peer_client::PeerClient;
use quorate_store::{Node, NodeId, TypeConfig};
use tonic::transport::Channel;
use tonic::{Code, Status};

use super::sound::Unsound;
use super::transport::{Purpose, Transport};

/// The node at the other end.
pub(super) struct Target {
    pub(super) transport: Transport,
    pub(super) id: NodeId,
    pub(super) node: Node,
}

impl Target {
    /// The way to it. The address that openraft has may be an old one.
    pub(super) fn peer(&self, purpose: Purpose) -> Result<PeerClient<Channel>, Status> {
        match self.transport.book.of(self.id) {
            Some(addr) => self.transport.peer_at(self.id, &addr, purpose),
            None => self.transport.peer_at(self.id, &self.node.peer_addr, purpose),
        }
    }
}

impl Target {
    /// An answer that cannot be true. Somebody should look at that node.
    pub(super) fn unsound(&self, unsound: &Unsound) -> RPCError<TypeConfig> {
        let (id, name) = (self.id, &self.node.name);
        tracing::error!(
            id, name, %unsound,
            "a peer's answer is refused; if it stays so, remove that node's data directory and start it: it joins as a new node"
        );
        unreachable(&Status::internal(unsound.to_string()))
    }
}

/// openraft pauses before it tries again.
pub(super) fn unreachable(status: &Status) -> RPCError<TypeConfig> {
    RPCError::Unreachable(Unreachable::new(status))
}

/// A call that failed. A peer that is not there, not the one that is meant, or without room is not asked again at once.
pub(super) fn rpc_error(status: &Status) -> RPCError<TypeConfig> {
    match status.code() {
        Code::Unavailable | Code::FailedPrecondition | Code::ResourceExhausted | Code::Unknown => {
            unreachable(status)
        }
        _ => RPCError::Network(NetworkError::new(status)),
    }
}

/// An answer that is none.
pub(super) fn bad_answer(malformed: &Malformed) -> RPCError<TypeConfig> {
    unreachable(&Status::internal(malformed.to_string()))
}
