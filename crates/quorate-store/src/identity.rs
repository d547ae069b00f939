use std::{fs, path::Path};

use quorate_proto::log::v1;

use crate::{
    NodeId, StoreError,
    files::durable::replace_file,
    files::sealed::{seal, unseal},
};

const WHAT: &str = "identity";

/// Who the node of a data directory is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The node's id: drawn with the directory, never 0.
    pub node_id: NodeId,
    /// The cluster it belongs to, once it knows.
    pub cluster_id: Option<String>,
    /// The clusters that this one was restored or recovered from: their nodes are no members of it.
    pub former_cluster_ids: Vec<String>,
}

impl Identity {
    /// A new node, of no cluster yet.
    pub(crate) fn draw() -> Identity {
        // Below 2^53, so that every JSON reader shows it exactly. 0 means "nobody" in messages.
        Identity { node_id: rand::random_range(1..1 << 53), cluster_id: None, former_cluster_ids: Vec::new() }
    }

    pub(crate) fn read(path: &Path) -> Result<Identity, StoreError> {
        let sealed = fs::read(path).map_err(StoreError::io("read", path))?;
        let message: v1::Identity = unseal(WHAT, &sealed)?;
        if message.node_id == 0 {
            return Err(StoreError::damaged(WHAT, "it has no node id"));
        }
        let cluster_id = (!message.cluster_id.is_empty()).then_some(message.cluster_id);
        let former_cluster_ids = message.former_cluster_ids;
        Ok(Identity { node_id: message.node_id, cluster_id, former_cluster_ids })
    }

    /// Durable when it returns.
    pub(crate) fn write(&self, path: &Path) -> Result<(), StoreError> {
        let Identity { node_id, cluster_id, former_cluster_ids } = self.clone();
        let cluster_id = cluster_id.unwrap_or_default();
        replace_file(path, &seal(&v1::Identity { node_id, cluster_id, former_cluster_ids }))
    }
}
