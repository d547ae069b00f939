use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use openraft::LogIdOptionExt;
use quorate_core::Unavailable;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::cluster::formation::Formation;
use crate::cluster::handover::Handover;
use crate::cluster::membership::Admission;
use crate::cluster::peers::Peers;
use crate::cluster::presence;
use crate::cluster::raiser::Raiser;
use crate::cluster::watch::Watch;
use crate::command::batcher::Batcher;
use crate::command::forward::Forwarder;
use crate::command::intake::Intake;
use crate::command::pending::Pending;
use crate::command::room::Room;
use crate::disk::Disk;
use crate::disk::compaction::Compaction;
use crate::disk::relief::Relief;
use crate::handle::{Handle, Parts};
use crate::leadership::Leadership;
use crate::limits;
use crate::observer::Observer;
use crate::peer::{Identity, Network, Transport};
use crate::peer_server::{self, Service};
use crate::read::commit_index::CommitIndex;
use crate::read::read_index::ReadIndex;
use crate::read::spent_keys::SpentKeys;
use crate::read::turns::Turns;
use crate::running::Running;
use crate::stores::Stores;
use crate::task::{Tasks, die};
use crate::time::clock::{Clocks, LogClock, SystemClocks};
use crate::time::recall::Recall;
use crate::time::term_start::TermStart;
use crate::time::ticker::Ticker;
use crate::{NodeConfig, Raft, Reserve, StartError};

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
        Node::start_by(SystemClocks, config).await
    }

    /// The same, by other clocks than those of the operating system: for tests of just that.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start_by(clocks: impl Clocks, config: NodeConfig) -> Result<(Handle, Running), StartError> {
        quorate_store::planted::announce(&config.data_dir);
        config.check()?;
        let raft_config = Arc::new(config.raft()?);
        let listen = |source| StartError::Listen { addr: config.peer_listen.clone(), source };
        let listener = TcpListener::bind(&config.peer_listen).await.map_err(listen)?;

        let clock = LogClock::new(clocks);
        let (pending, turns) = (Pending::default(), Turns::default());
        let spent_keys = SpentKeys::default();
        let observer = Observer::new(pending.clone(), turns.clone(), spent_keys.clone(), clock.clone());
        let observer = Arc::new(observer);
        let reserve = config.reserve.unwrap_or_else(|| Reserve::of(&config.data_dir));
        let disk = Disk::new(config.data_dir.clone(), reserve);
        let Stores { dir, log, table } = Stores::open(&config, &disk, Arc::clone(&observer)).await?;
        let (reader, snapshots, space) = (table.reader(), table.snapshots(), table.space());
        observer.observe(reader.clone());
        let recall = Recall::open(&dir, &clock);
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
        transport.book.follow(leadership.clone());
        disk.watch(&tasks);
        let compaction = Compaction::new(&config, raft.clone(), log.clone(), space.clone(), disk.clone());
        let batcher = Batcher::start(raft.clone(), leadership.clone(), clock.clone(), disk.clone(), &tasks);
        let intake = Intake {
            room: Room::new(limits::TAKEN_COMMANDS, limits::TAKEN_BYTES),
            disk: disk.clone(),
            clock: clock.clone(),
            pending,
            leadership: leadership.clone(),
            batcher: batcher.clone(),
            forwarder: Forwarder::start(leadership.clone(), transport.clone(), &tasks),
            level: observer.watch_level(),
            closed: closed.clone(),
            ended: tasks.ended(),
        };
        let commit_index = CommitIndex::new(identity.node_id, raft.clone(), transport.clone(), tasks.clone());
        let read_index = ReadIndex::start(
            commit_index.clone(),
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
            disk: disk.clone(),
            started: Instant::now(),
            lost_data,
        };
        let hang_up = CancellationToken::new();
        let admission = Admission::new(raft.clone(), peers.clone(), observer.watch_level());
        let service = Service {
            identity: identity.clone(),
            raft: raft.clone(),
            clock: clock.clone(),
            batcher: batcher.clone(),
            level: observer.watch_level(),
            disk: disk.clone(),
            commit_index,
            snapshots: snapshots.clone(),
            admission: admission.clone(),
            peers: peers.clone(),
            hang_up: hang_up.clone(),
        };
        let server = tokio::spawn(peer_server::serve(service, listener));

        let (recovered, removed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let term_start = TermStart {
            raft: raft.clone(),
            leadership: leadership.clone(),
            clock: clock.clone(),
            peers: peers.clone(),
            reader: reader.clone(),
        };
        let ticker = Ticker {
            raft: raft.clone(),
            leadership,
            clock,
            batcher: batcher.clone(),
            reader: reader.clone(),
            applied,
        };
        let watch = Watch { peers: peers.clone(), raft: raft.clone(), removed: Arc::clone(&removed) };
        let formation = Formation {
            peers: peers.clone(),
            raft: raft.clone(),
            dir: Arc::clone(&dir),
            admission: admission.clone(),
        };
        if let Some(recall) = recall {
            tasks.spawn("recall", recall.run());
        }
        tasks.spawn("term start", term_start.run());
        let handover = Handover { raft: raft.clone(), peers: peers.clone() };
        let state = disk.watch_state();
        let squeeze = compaction.asked();
        let relief = Relief { handover: handover.clone(), disk: disk.clone(), state, squeeze };
        tasks.spawn("ticker", ticker.run());
        tasks.spawn("relief", relief.run());
        tasks.spawn("compaction", compaction.run());
        tasks.spawn("watch", watch.run());
        tasks.spawn("presence", presence::say_who_leads(peers.leadership.clone()));
        tasks.spawn("formation", formation.form());
        let raiser = Raiser {
            peers: peers.clone(),
            admission: admission.clone(),
            intake: intake.clone(),
            level: observer.watch_level(),
        };
        tasks.spawn("raiser", raiser.run());
        tasks.spawn("membership", admission.end_interrupted_changes());
        tasks.spawn("recovery", recover(raft.clone(), read_index.clone(), Arc::clone(&recovered)));
        tasks.spawn("vital signs", watch_vital_signs(raft.clone()));
        tracing::info!(node_id = identity.node_id, name = peers.config.name, "the node has started");

        let running = Running {
            raft: raft.clone(),
            handover,
            intake: intake.clone(),
            tasks,
            hang_up,
            server,
            log,
            space,
            disk,
            observer: Arc::downgrade(&observer),
            snapshots,
            dir,
        };
        let parts =
            Parts { raft, intake, batcher, read_index, reader, turns, spent_keys, peers, recovered, removed };
        Ok((Handle::new(parts), running))
    }
}

/// Notes when this node has applied all that had been committed when it started.
///
/// Its own log does not tell how far that was: before a power cut it may have applied, and answered from, entries that the
/// others had on disk and it had not. So the leader is asked.
async fn recover(raft: Raft, read_index: ReadIndex, recovered: Arc<AtomicBool>) {
    let applied = match raft.wait_for_recovery(None).await {
        Ok(metrics) => metrics.last_applied.index(),
        Err(error) => return tracing::debug!(%error, "Raft ended before this node had recovered"),
    };
    loop {
        match read_index.barrier(limits::RECOVERY_QUESTION).await {
            Ok(()) => break,
            Err(Unavailable::Stopping) => return,
            // No majority yet.
            Err(
                Unavailable::NotApplied
                | Unavailable::Overloaded
                | Unavailable::DiskFull
                | Unavailable::NotUnderstood
                | Unavailable::Unknown,
            ) => {}
        }
    }
    recovered.store(true, Ordering::Relaxed);
    tracing::info!(applied, "this node has recovered");
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
