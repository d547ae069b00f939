use std::sync::{Arc, OnceLock};

use quorate_store::DataDir;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::NodeConfig;
use crate::disk::Disk;
use crate::machine::Machine;
use crate::peer::{Identity, Roster, Run, Transport};
use crate::task::Tasks;
use crate::time::clock::LogClock;
use crate::time::recall::Recall;

/// What a node has once, of however many Raft groups it is a member.
#[derive(Clone)]
pub(crate) struct Process {
    pub(crate) config: Arc<NodeConfig>,
    pub(crate) identity: Identity,
    pub(crate) transport: Transport,
    pub(crate) machine: Arc<dyn Machine>,
    pub(crate) clock: LogClock,
    pub(crate) disk: Disk,
    pub(crate) started: Instant,
    /// This node's directory was set aside once: it had belonged to a cluster.
    pub(crate) lost_data: bool,
    pub(crate) tasks: Tasks,
    /// Cancelled when nothing more is taken in.
    pub(crate) closed: CancellationToken,
}

impl Process {
    /// That of a node with this directory.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub(crate) fn new(
        config: NodeConfig,
        dir: &DataDir,
        machine: Arc<dyn Machine>,
        clock: LogClock,
        disk: Disk,
    ) -> Result<Process, quorate_store::StoreError> {
        let found = dir.identity();
        let former = found.cluster_id.is_some().then_some(found.former_cluster_ids);
        let cluster_id = found.cluster_id.map_or_else(OnceLock::new, OnceLock::from);
        let identity = Identity {
            node_id: found.node_id,
            cluster_id: Arc::new(cluster_id),
            run: Run::draw(&*machine),
            former: Arc::new(former.map_or_else(OnceLock::new, OnceLock::from)),
        };
        let lost_data = dir.was_set_aside()?;
        Ok(Process {
            transport: Transport::new(
                identity.clone(),
                Roster::new(identity.clone(), &config),
                config.tls.clone(),
            ),
            config: Arc::new(config),
            identity,
            machine,
            clock,
            disk,
            started: Instant::now(),
            lost_data,
            tasks: Tasks::default(),
            closed: CancellationToken::new(),
        })
    }

    /// The disk is watched from now on, and log time noted.
    pub(crate) fn start(&self, recall: Option<Recall>) {
        if let Some(recall) = recall {
            self.tasks.spawn("recall", recall.run());
        }
        self.disk.watch(&self.tasks);
    }
}
