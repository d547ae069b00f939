use std::sync::Arc;

use openraft::storage::{RaftStateMachine, StorageHelper};
use quorate_store::{Meter, StoredMembership};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::cluster::meeting::{self, Position};
use crate::disk::Disk;
use crate::group::Group;
use crate::machine::{Machine, ThisMachine};
use crate::observer::Observer;
use crate::peer::latest::Latest;
use crate::peer::sound::Judge;
use crate::peer_server::{self, Service};
use crate::process::Process;
use crate::running::Running;
use crate::starting::Starting;
use crate::stores::Stores;
use crate::time::clock::LogClock;
use crate::time::recall::Recall;
use crate::{Handle, NodeConfig, Reserve, StartError, limits};

/// One member of a cluster.
pub struct Node;

impl Node {
    /// Starts a node. It serves its peers when this returns, and finds or makes its cluster by itself.
    ///
    /// Needs a multi-threaded tokio runtime. A failure of the disk, or of a part that the node cannot do without, ends
    /// the process later on.
    ///
    /// # Errors
    /// See [`StartError`]: what can be said before the first peer is asked.
    pub async fn start(config: NodeConfig) -> Result<(Handle, Running), StartError> {
        Node::start_on(ThisMachine, config).await
    }

    /// The same, on a machine that is made up: for tests of just that.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start_on(
        machine: impl Machine,
        config: NodeConfig,
    ) -> Result<(Handle, Running), StartError> {
        quorate_store::planted::announce(&config.data_dir);
        config.check()?;
        let peer_listen = config.peer_listen.clone();
        let listen = |source| StartError::Listen { addr: peer_listen.clone(), source };
        let socket = peer_server::bind(&config.peer_listen).await.map_err(&listen)?;
        let listener = Arc::new(socket.listen(limits::BACKLOG).map_err(listen)?);
        // It says nothing of its own before it knows that it is no copy.
        let starting = Starting::serve(&config, Arc::clone(&listener));
        // Its future is large: callers need not hold it in theirs.
        let started = Box::pin(Node::open(Arc::new(machine), config, listener)).await;
        starting.end().await;
        started
    }

    async fn open(
        machine: Arc<dyn Machine>,
        config: NodeConfig,
        listener: Arc<TcpListener>,
    ) -> Result<(Handle, Running), StartError> {
        let clock = LogClock::new(Arc::clone(&machine));
        let disk = Disk::new(
            config.data_dir.clone(),
            config.reserve.unwrap_or_else(|| Reserve::of(&config.data_dir)),
        );
        let observer = Arc::new(Observer::new(clock.clone()));
        // It may take a while: what the table lacks of the log is applied then.
        tracing::info!(dir = %config.data_dir.display(), "opening the data directory");
        let Stores { dir, log, mut table } = Stores::open(&config, &disk, Arc::clone(&observer)).await?;
        let (reader, snapshots, space) = (table.reader(), table.snapshots(), table.space());
        let meter = Meter::new(&log, &table);
        let recall = Recall::open(&dir, &machine, &clock);
        let process = Process::new(config, &dir, machine, clock, disk)?;
        let (applied, stored) =
            table.applied_state().await.map_err(|error| StartError::Raft(error.to_string()))?;
        if let Some(old) = unborne(&process, &stored) {
            // That may be long ago: the log has what was not applied.
            let since = applied.map_or(0, |log_id| log_id.index + 1);
            let later = StorageHelper::new(&mut log.clone(), &mut table).last_membership_in_log(since).await;
            let later = later.map_err(|error| StartError::Raft(error.to_string()))?;
            if let Some(old) = later.last().map_or(Some(old), |stored| unborne(&process, stored)) {
                return Err(needs_both_names(&old, &process.config.name));
            }
        }
        meeting::look_around(&process, &stored, Position::from(log.end().now()?)).await?;
        let group = Group::start(&process, Arc::clone(&dir), log.clone(), table, &observer).await?;
        process.start(recall);

        let hang_up = CancellationToken::new();
        let (node_id, understood) = (process.identity.node_id, process.config.feature_level);
        let service = Service {
            process: process.clone(),
            group: group.clone(),
            judge: Judge::new(node_id, group.raft.clone(), process.clock.clone(), understood),
            snapshots: snapshots.clone(),
            receiving: Latest::default(),
            forwarding: Latest::default(),
            hang_up: hang_up.clone(),
        };
        let server = tokio::spawn(peer_server::serve(service, listener));
        group.ask_to_lead().await;
        tracing::info!(
            node_id = process.identity.node_id,
            name = process.config.name,
            "the node has started"
        );
        let running = Running {
            process,
            group: group.clone(),
            hang_up,
            server,
            log,
            space,
            observer: Arc::downgrade(&observer),
            snapshots,
            dir,
        };
        Ok((Handle::new(group, reader, meter), running))
    }
}

/// The name under which the others know this node, if its certificate does not bear that.
fn unborne(process: &Process, stored: &StoredMembership) -> Option<String> {
    let node = stored.membership().get_node(&process.identity.node_id)?;
    let names = process.config.tls.as_ref()?.identity.names();
    (!names.bear(&node.name)).then(|| node.name.clone())
}

fn needs_both_names(old: &str, new: &str) -> StartError {
    let reason = format!(
        "the others know this node as {old}, and it does not bear that name: start it with a certificate of both names, {old} and {new},          until `quorate cluster status` shows it as {new}"
    );
    StartError::Config { setting: "peer-cert", reason }
}
