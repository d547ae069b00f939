use std::sync::{Arc, OnceLock};

use quorate_store::NodeId;

/// Who this node is, in every call that it makes or takes.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) node_id: NodeId,
    /// Set once, when this node knows to which cluster it belongs.
    pub(crate) cluster_id: Arc<OnceLock<String>>,
}
