use std::path::Path;

use quorate_store::{NewCluster, Node, RestoreError, Restored};

use crate::NodeConfig;
use crate::machine::{Machine, ThisMachine};

/// Makes the data directory of `config` from a backup, for the first node of a new cluster: see [`quorate_store::restore`]. The
/// new cluster's id is drawn. Blocks.
///
/// # Errors
/// See [`RestoreError`].
pub fn restore(
    file: &Path,
    config: &NodeConfig,
    told: impl FnMut(u64, Option<u64>),
) -> Result<Restored, RestoreError> {
    let node = Node {
        name: config.name.clone(),
        peer_addr: config.peer_addr().unwrap_or_default().to_owned(),
        http_addr: config.http_addr.clone(),
        replaces: None,
    };
    let new = NewCluster { cluster_id: draw_cluster_id(), node, understood: config.feature_level };
    quorate_store::restore(file, &config.data_dir, new, told)
}

/// A cluster's id that no other cluster has.
pub(crate) fn draw_cluster_id() -> String {
    uuid::Builder::from_random_bytes(ThisMachine.draw()).into_uuid().to_string()
}
