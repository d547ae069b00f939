use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use openraft::LogIdOptionExt;
use quorate_core::{FeatureLevel, Unavailable};
use quorate_store::{DataDir, JobTable, LogStore};
use tokio::sync::{Semaphore, watch};

use crate::cluster::drain::Drain;
use crate::cluster::formation::Formation;
use crate::cluster::handover::Handover;
use crate::cluster::membership::Admission;
use crate::cluster::order::carry_out::Orders;
use crate::cluster::outsiders::Outsiders;
use crate::cluster::peers::Peers;
use crate::cluster::presence;
use crate::cluster::presence::Absent;
use crate::cluster::raiser::Raiser;
use crate::cluster::relief::Relief;
use crate::cluster::station::Station;
use crate::cluster::term_start::TermStart;
use crate::cluster::watch::Watch;
use crate::command::batcher::Batcher;
use crate::command::budget::Budget;
use crate::command::doubt::Doubt;
use crate::command::forward::Forwarder;
use crate::command::intake::Intake;
use crate::command::operations::Operations;
use crate::command::ticker::Ticker;
use crate::disk::compaction::{Bounds, Compaction};
use crate::leadership::Leadership;
use crate::observer::Observer;
use crate::peer::{Network, SnapshotRefusal};
use crate::process::Process;
use crate::read::commit_index::CommitIndex;
use crate::read::read_index::ReadIndex;
use crate::read::spent_keys::SpentKeys;
use crate::read::turns::Turns;
use crate::task::die;
use crate::{Raft, StartError, limits};

/// This node's part in one Raft group, over that group's log and job table. Cheap to clone; it does not keep the table open.
#[derive(Clone)]
pub(crate) struct Group {
    pub(crate) raft: Raft,
    pub(crate) peers: Peers,
    pub(crate) intake: Intake,
    pub(crate) commit_index: CommitIndex,
    pub(crate) read_index: ReadIndex,
    pub(crate) turns: Turns,
    pub(crate) spent_keys: SpentKeys,
    pub(crate) admission: Admission,
    pub(crate) handover: Handover,
    /// The feature level, as far as this node has applied.
    pub(crate) level: watch::Receiver<FeatureLevel>,
    /// True once this node has applied all that had been committed when it started.
    pub(crate) recovered: Arc<AtomicBool>,
    pub(crate) orders: Orders,
    pub(crate) drain: Drain,
}

impl Group {
    /// Starts it. It makes or joins its cluster by itself.
    ///
    /// # Errors
    /// Raft refuses to start.
    pub(crate) async fn start(
        process: &Process,
        dir: Arc<DataDir>,
        log: LogStore,
        table: JobTable,
        observer: &Observer,
    ) -> Result<Group, StartError> {
        let Process { config, identity, transport, machine, clock, disk, tasks, closed, .. } = process;
        let (reader, space) = (table.reader(), table.space());
        observer.observe(reader.clone());
        let network = Network { transport: transport.clone(), clock: clock.clone() };
        let raft = Raft::new(identity.node_id, Arc::new(config.raft()?), network, log.clone(), table)
            .await
            .map_err(|fatal| StartError::Raft(fatal.to_string()))?;
        // Once it answers, its metrics have what it had stored: who asks before would take a member for none.
        raft.with_raft_state(|_| ()).await.map_err(|fatal| StartError::Raft(fatal.to_string()))?;
        let station = Station::default();
        if dir.was_removed()? {
            station.set_removed();
            raft.runtime_config().elect(false);
            tracing::error!(
                "this node was removed from its cluster: it takes part in nothing. To have it join again, wipe its data \
                 directory"
            );
        }
        let leadership = Leadership::new(identity.node_id, &raft);
        transport.book.follow(leadership.clone());
        transport.roster.follow(leadership.clone());
        let (applied, level) = (observer.watch_applied(), observer.watch_level());

        let batcher = Batcher::start(raft.clone(), leadership.clone(), clock.clone(), disk.clone(), tasks);
        let intake = Intake {
            budget: Budget::new(limits::TAKEN_COMMANDS, limits::TAKEN_BYTES),
            disk: disk.clone(),
            machine: Arc::clone(machine),
            clock: clock.clone(),
            pending: observer.pending.clone(),
            leadership: leadership.clone(),
            batcher: batcher.clone(),
            forwarder: Forwarder::start(leadership.clone(), transport.clone(), config.traces, tasks),
            doubt: Doubt::default(),
            level: level.clone(),
            station: station.clone(),
            closed: closed.clone(),
            ended: tasks.ended(),
        };
        let commit_index = CommitIndex::new(identity.node_id, raft.clone(), transport.clone(), tasks.clone());
        let read_index = ReadIndex::start(
            commit_index.clone(),
            leadership.clone(),
            transport.clone(),
            applied.clone(),
            Arc::clone(machine),
            closed.clone(),
            tasks,
        );
        let peers = Peers {
            process: process.clone(),
            leadership: leadership.clone(),
            applied: applied.clone(),
            log: log.end(),
            station: station.clone(),
            outsiders: Outsiders::new(config.tls.is_some()),
            absent: Absent::default(),
            looks: Arc::new(Semaphore::new(1)),
            inviters: Arc::default(),
            snapshot_refusal: SnapshotRefusal::default(),
            denied: Arc::default(),
        };
        let handover = Handover { raft: raft.clone(), peers: peers.clone() };
        let admission = Admission::new(handover.clone(), commit_index.clone(), level.clone());
        let group = Group {
            orders: Orders { admission: admission.clone(), handover: handover.clone() },
            drain: Drain { handover: handover.clone(), station, intake: intake.clone() },
            admission,
            handover,
            raft,
            peers,
            intake,
            commit_index,
            read_index,
            turns: observer.turns.clone(),
            spent_keys: observer.spent_keys.clone(),
            level,
            recovered: Arc::default(),
        };

        let bounds =
            Bounds { bytes: config.log_bytes, snapshot_every: config.snapshot_every, kept: config.logs_kept };
        let compaction = Compaction::new(bounds, group.raft.clone(), log, space, disk.clone());
        let relief = Relief {
            handover: group.handover.clone(),
            disk: disk.clone(),
            state: disk.watch_state(),
            squeeze: compaction.asked(),
        };
        let term_start = TermStart {
            raft: group.raft.clone(),
            leadership: leadership.clone(),
            clock: clock.clone(),
            peers: group.peers.clone(),
            reader: reader.clone(),
        };
        let operations = Operations {
            leadership: leadership.clone(),
            intake: group.intake.clone(),
            reader: reader.clone(),
            changed: observer.watch_operations(),
        };
        let ticker =
            Ticker { leadership: leadership.clone(), clock: clock.clone(), batcher, reader, applied };
        let watch = Watch { peers: group.peers.clone(), raft: group.raft.clone(), dir: Arc::clone(&dir) };
        let formation = Formation {
            peers: group.peers.clone(),
            raft: group.raft.clone(),
            dir,
            admission: group.admission.clone(),
        };
        let raiser = Raiser {
            peers: group.peers.clone(),
            admission: group.admission.clone(),
            intake: group.intake.clone(),
            level: group.level.clone(),
        };
        tasks.spawn("term start", term_start.run());
        tasks.spawn("ticker", ticker.run());
        tasks.spawn("operations", operations.run());
        tasks.spawn("relief", relief.run());
        tasks.spawn("compaction", compaction.run());
        tasks.spawn("watch", watch.run());
        tasks.spawn("presence", presence::say_who_leads(leadership));
        tasks.spawn("formation", formation.form());
        tasks.spawn("drain", group.drain.clone().run());
        tasks.spawn("raiser", raiser.run());
        tasks.spawn("membership", group.admission.clone().end_interrupted_changes());
        tasks.spawn("recovery", group.clone().recover());
        tasks.spawn("vital signs", watch_vital_signs(group.raft.clone()));
        Ok(group)
    }

    /// A voter that starts asks at once whether it could lead. Where a whole cluster comes back, the one that makes a majority full is elected
    /// then and there: nobody waits for an election timeout, which each begins when it starts.
    ///
    /// It only asks (Pre-Vote: Ongaro's dissertation, section 9.6). While a leader lives, the others say no, and nothing has changed.
    pub(crate) async fn ask_to_lead(&self) {
        if !self.peers.station.is_removed() {
            // It fails only where Raft has ended, which is seen elsewhere.
            let _ = self.raft.trigger().elect(true).await;
        }
    }

    /// Notes when this node has applied all that had been committed when it started.
    ///
    /// Its own log does not tell how far that was: before a power cut it may have applied, and answered from, entries that the
    /// others had on disk and it had not. So the leader is asked.
    async fn recover(self) {
        let applied = match self.raft.wait_for_recovery(None).await {
            Ok(metrics) => metrics.last_applied.index(),
            Err(error) => return tracing::debug!(%error, "Raft ended before this node had recovered"),
        };
        loop {
            match self.read_index.barrier(limits::RECOVERY_QUESTION).await {
                Ok(()) => break,
                Err(Unavailable::Stopping) => return,
                // No majority yet.
                Err(
                    Unavailable::NotApplied
                    | Unavailable::Overloaded
                    | Unavailable::DiskFull
                    | Unavailable::NotUnderstood
                    | Unavailable::NotMember
                    | Unavailable::Unknown,
                ) => {}
            }
        }
        self.recovered.store(true, Ordering::Relaxed);
        tracing::info!(applied, "this node has recovered");
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
