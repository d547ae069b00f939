use std::io;
use std::sync::Arc;
use std::time::Instant;

use openraft::RaftSnapshotBuilder;
use openraft::alias::SnapshotOf;

use super::{SnapshotDir, SnapshotStore};
use crate::TypeConfig;
use crate::limits::FULL_DISK_PAUSE;
use crate::metrics::METRICS;
use crate::rows::generation::Generation;

/// Makes a snapshot of the job table while entries are applied to it.
pub struct SnapshotBuilder {
    generation: Arc<Generation>,
    snapshots: SnapshotStore,
}

impl SnapshotBuilder {
    pub(crate) fn new(generation: Arc<Generation>, snapshots: SnapshotStore) -> SnapshotBuilder {
        SnapshotBuilder { generation, snapshots }
    }
}

impl RaftSnapshotBuilder<TypeConfig> for SnapshotBuilder {
    type SnapshotData = SnapshotDir;

    /// Gives the current snapshot, which is the new one unless a newer one was installed meanwhile.
    async fn build_snapshot(&mut self) -> io::Result<SnapshotOf<TypeConfig, SnapshotDir>> {
        let begun = Instant::now();
        let mut patience = self.snapshots.patience();
        loop {
            let (generation, snapshots) = (Arc::clone(&self.generation), self.snapshots.clone());
            let build = move || snapshots.build(&generation.db);
            match tokio::task::spawn_blocking(build).await.map_err(io::Error::other)? {
                Err(error) if patience.bears(&error, "of a snapshot") => {
                    tokio::time::sleep(FULL_DISK_PAUSE).await;
                }
                built => {
                    patience.done();
                    let built = built?;
                    METRICS.snapshot_build.record(begun.elapsed());
                    return Ok(built);
                }
            }
        }
    }
}
