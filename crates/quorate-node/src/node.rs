use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use openraft::LogIdOptionExt;
use openraft::async_runtime::WatchReceiver;
use quorate_core::Timestamp;
use quorate_store::{DataDir, JobTable, LogStore, NodeId, StoreError};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::batcher::Batcher;
use crate::clock::{LogClock, System};
use crate::disk::Disk;
use crate::formation::Formation;
use crate::forward::Forwarder;
use crate::handle::{Handle, Parts};
use crate::intake::Intake;
use crate::leadership::Leadership;
use crate::limits;
use crate::membership::Admission;
use crate::observer::Observer;
use crate::peers::Peers;
use crate::pending::Pending;
use crate::read_index::ReadIndex;
use crate::room::Room;
use crate::task::{Tasks, die};
use crate::ticker::Ticker;
use crate::transport::server::{self, Service};
use crate::transport::{Identity, Network, Transport};
use crate::wakeups::Wakeups;
use crate::watch::Watch;
use crate::{NodeConfig, Raft, StartError};

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
        config.check()?;
        let raft_config = Arc::new(config.raft()?);
        let listen = |source| StartError::Listen { addr: config.peer_listen.clone(), source };
        let listener = TcpListener::bind(&config.peer_listen).await.map_err(listen)?;

        let clock = LogClock::new(System::new(), Timestamp::ZERO);
        let (pending, wakeups) = (Pending::default(), Wakeups::default());
        let observer = Arc::new(Observer::new(pending.clone(), wakeups.clone(), clock.clone()));
        let Stores { dir, log, table } = open_stores(&config, Arc::clone(&observer)).await?;
        let (reader, snapshots) = (table.reader(), table.snapshots());
        observer.observe(reader.clone());
        let lost_data = dir.was_set_aside()?;

        let found = dir.identity();
        let cluster_id = found.cluster_id.map_or_else(OnceLock::new, OnceLock::from);
        let identity = Identity { node_id: found.node_id, cluster_id: Arc::new(cluster_id) };
        let transport = Transport::new(identity.clone());
        let network = Network { transport: transport.clone(), clock: clock.clone() };
        let raft = Raft::new(identity.node_id, raft_config, network, log.clone(), table)
            .await
            .map_err(|fatal| StartError::Raft(fatal.to_string()))?;

        let tasks = Tasks::default();
        let closed = CancellationToken::new();
        let applied = observer.watch_applied();
        let leadership = Leadership::new(identity.node_id, &raft);
        let disk = Disk::watch(config.data_dir.clone(), config.disk_reserve, &tasks);
        let batcher = Batcher::start(raft.clone(), leadership.clone(), clock.clone(), disk.clone(), &tasks);
        let intake = Intake {
            room: Room::new(limits::TAKEN_COMMANDS, limits::TAKEN_BYTES),
            disk,
            clock: clock.clone(),
            pending,
            leadership: leadership.clone(),
            batcher: batcher.clone(),
            forwarder: Forwarder::start(leadership.clone(), transport.clone(), &tasks),
            closed: closed.clone(),
        };
        let read_index = ReadIndex::start(
            raft.clone(),
            leadership.clone(),
            transport.clone(),
            applied.clone(),
            closed,
            &tasks,
        );
        let peers = Peers {
            config: Arc::new(config),
            identity: identity.clone(),
            leadership: leadership.clone(),
            transport,
            clock: clock.clone(),
            applied: applied.clone(),
            lost_data,
        };
        let hang_up = CancellationToken::new();
        let service = Service {
            identity: identity.clone(),
            raft: raft.clone(),
            clock: clock.clone(),
            batcher: batcher.clone(),
            snapshots,
            admission: Admission::new(raft.clone(), peers.clone()),
            peers: peers.clone(),
            hang_up: hang_up.clone(),
        };
        let server = tokio::spawn(server::serve(service, listener));

        let (recovered, removed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let ticker = Ticker {
            raft: raft.clone(),
            leadership: leadership.clone(),
            clock,
            batcher: batcher.clone(),
            reader: reader.clone(),
            applied,
        };
        let watch = Watch { peers: peers.clone(), raft: raft.clone(), removed: Arc::clone(&removed) };
        let formation = Formation { peers: peers.clone(), raft: raft.clone(), dir: Arc::clone(&dir) };
        tasks.spawn("ticker", ticker.run());
        tasks.spawn("watch", watch.run());
        tasks.spawn("formation", formation.form());
        tasks.spawn("recovery", recover(raft.clone(), Arc::clone(&recovered)));
        tasks.spawn("vital signs", watch_vital_signs(raft.clone()));
        tracing::info!(node_id = identity.node_id, name = peers.config.name, "the node has started");

        let running = Running {
            raft: raft.clone(),
            leadership,
            intake: intake.clone(),
            tasks,
            hang_up,
            server,
            log,
            observer: Arc::downgrade(&observer),
            dir,
        };
        let parts = Parts { raft, intake, batcher, read_index, reader, wakeups, peers, recovered, removed };
        Ok((Handle::new(parts), running))
    }
}

/// What keeps a node running. Dropped without [`Running::shutdown`], it goes on.
#[must_use = "a node is to be shut down"]
pub struct Running {
    raft: Raft,
    leadership: Leadership,
    intake: Intake,
    tasks: Tasks,
    hang_up: CancellationToken,
    server: JoinHandle<()>,
    log: LogStore,
    /// The job table holds it; gone when the table is closed.
    observer: Weak<Observer>,
    /// Goes last: the others have their files in it.
    dir: Arc<DataDir>,
}

impl Running {
    /// Ends the node: nothing more is taken in, what is under way is answered, the leadership is handed over, the log
    /// is flushed. Bounded in time. The data directory is free when this returns and every [`Handle`] is dropped.
    pub async fn shutdown(self) {
        self.intake.closed.cancel();
        if tokio::time::timeout(limits::DRAIN, self.intake.drained()).await.is_err() {
            tracing::warn!(waiting = self.intake.waiting(), "stopping with requests unanswered");
        }
        self.hand_over().await;
        self.halt().await;
    }

    /// Ends the node at once, as the end of its process would: requests that are under way get no answer, and the others
    /// notice only by their timeouts. For tests of just that.
    pub async fn halt(self) {
        self.intake.closed.cancel();
        self.hang_up.cancel();
        self.tasks.stop().await;
        if let Err(error) = self.server.await {
            tracing::error!(%error, "the peer server panicked");
        }
        if let Err(error) = self.raft.shutdown().await {
            tracing::error!(%error, "Raft did not end well");
        }
        let log = self.log.clone();
        match tokio::task::spawn_blocking(move || log.close()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the log was not closed well"),
            Err(error) => tracing::error!(%error, "the log was not closed"),
        }
        // Raft's own tasks end, and let go of the files, a moment after it has said that it ended.
        let released = async {
            while !(self.log.is_last() && self.observer.strong_count() == 0) {
                tokio::time::sleep(limits::STOP_LOOK).await;
            }
        };
        if tokio::time::timeout(limits::HANG_UP, released).await.is_err() {
            tracing::warn!("some of Raft's tasks are still running");
        }
        tracing::info!(dir = %self.dir.path().display(), "the node has stopped");
    }

    /// A leader that goes makes the most advanced voter its successor, so that nobody waits for an election timeout.
    async fn hand_over(&self) {
        let Some(leader) = self.leadership.now().filter(|leader| leader.here) else { return };
        let Some(successor) = self.successor(leader.id) else { return };
        tracing::info!(successor, "handing the leadership over");
        if self.raft.trigger().transfer_leader(successor).await.is_err() {
            return;
        }
        let mut leadership = self.leadership.clone();
        let taken_over = async {
            loop {
                if leadership.now().is_some_and(|leader| !leader.here) {
                    return;
                }
                leadership.changed().await;
            }
        };
        if tokio::time::timeout(limits::HANDOVER, taken_over).await.is_err() {
            tracing::warn!("nobody has taken the leadership over");
        }
    }

    fn successor(&self, own_id: NodeId) -> Option<NodeId> {
        let stored = self.leadership.membership();
        let metrics = self.raft.data_metrics().borrow_watched().clone();
        let replication = metrics.replication?;
        let voters = stored.membership().voter_ids().filter(|id| *id != own_id);
        voters.max_by_key(|id| replication.get(id).cloned().flatten().index())
    }
}

struct Stores {
    dir: Arc<DataDir>,
    log: LogStore,
    table: JobTable,
}

/// Opens what is on disk, on a thread that may wait for it.
async fn open_stores(config: &NodeConfig, observer: Arc<Observer>) -> Result<Stores, StartError> {
    let (path, alone) = (config.data_dir.clone(), config.peers.len() == 1);
    let open = move || {
        let mut dir = DataDir::open(&path)?;
        let log = match open_log(&dir) {
            Err(lost @ StoreError::LostEntries { .. }) if alone => return Err(StartError::LostAlone(lost)),
            // What this node has forgotten, the others have. Under its old id it could help to elect a leader that lacks
            // it, so it joins them as a new node.
            Err(lost @ StoreError::LostEntries { .. }) => {
                tracing::error!(%lost, "setting the data directory's contents aside and joining as a new node");
                dir = dir.set_aside(&lost.to_string())?;
                open_log(&dir)?
            }
            opened => opened?,
        };
        let table = JobTable::open(&dir, observer)?;
        Ok(Stores { dir: Arc::new(dir), log, table })
    };
    match tokio::task::spawn_blocking(open).await {
        Ok(opened) => opened,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}

fn open_log(dir: &DataDir) -> Result<LogStore, StoreError> {
    LogStore::open(dir, Arc::new(|error| die(&format!("the log cannot be written: {error}"))))
}

/// Notes when this node has applied what had been committed when it started.
async fn recover(raft: Raft, recovered: Arc<AtomicBool>) {
    match raft.wait_for_recovery(None).await {
        Ok(metrics) => {
            recovered.store(true, Ordering::Relaxed);
            tracing::info!(applied = metrics.last_applied.index(), "this node has recovered");
        }
        Err(error) => tracing::debug!(%error, "Raft ended before this node had recovered"),
    }
}

/// Ends the process when the Raft core has panicked or its storage failed: the metrics would go on as if nothing were.
async fn watch_vital_signs(raft: Raft) {
    let mut clock = tokio::time::interval(limits::ALIVE_WATCH);
    loop {
        clock.tick().await;
        if let Err(fatal) = raft.with_raft_state(|_| ()).await {
            die(&format!("the Raft core has ended: {fatal}"));
        }
    }
}
