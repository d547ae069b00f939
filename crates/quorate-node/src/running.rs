use std::sync::{Arc, Weak};

use quorate_store::{DataDir, LogStore, SnapshotStore, TableSpace};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::group::Group;
use crate::limits;
use crate::observer::Observer;
use crate::process::Process;

/// What keeps a node running. Dropped without [`Running::shutdown`], it goes on.
#[must_use = "a node is to be shut down"]
pub struct Running {
    pub(crate) process: Process,
    pub(crate) group: Group,
    pub(crate) hang_up: CancellationToken,
    pub(crate) server: JoinHandle<()>,
    pub(crate) log: LogStore,
    pub(crate) space: TableSpace,
    /// The job table holds it; gone when the table is closed.
    pub(crate) observer: Weak<Observer>,
    /// What builds or receives a snapshot holds it.
    pub(crate) snapshots: SnapshotStore,
    /// Goes last: the others have their files in it.
    pub(crate) dir: Arc<DataDir>,
}

impl Running {
    /// Ends the node: the leadership is handed over, first, since the others wait for it, and clients that are slow for nobody;
    /// `clients` ends those; then nothing more is taken in, what is under way is answered, the log is flushed. Bounded in time
    /// as `clients` is. The data directory is free when this returns and every [`crate::Handle`] is dropped.
    pub async fn shutdown<T>(self, clients: impl Future<Output = T>) -> T {
        let somebody_leads = self.hand_over().await;
        let ended = clients.await;
        self.process.closed.cancel();
        if tokio::time::timeout(limits::DRAIN, self.group.intake.drained()).await.is_err() {
            tracing::warn!(waiting = self.group.intake.waiting(), "stopping with requests unanswered");
        }
        // Whoever took over may have ended since, and has handed it back: it did not know that this node ends, too.
        if somebody_leads {
            self.hand_over().await;
        }
        // It holds all of this once more.
        Box::pin(self.halt()).await;
        ended
    }

    /// Ends the node at once, as the end of its process would: requests that are under way get no answer, and the others
    /// notice only by their timeouts. For tests of just that.
    pub async fn halt(self) {
        self.process.closed.cancel();
        self.process.disk.end();
        self.hang_up.cancel();
        self.process.tasks.stop().await;
        if let Err(error) = self.server.await {
            tracing::error!(%error, "the peer server panicked");
        }
        if let Err(error) = self.group.raft.shutdown().await {
            tracing::error!(%error, "Raft did not end well");
        }
        let log = self.log.clone();
        match tokio::task::spawn_blocking(move || log.close()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the log was not closed well"),
            Err(error) => tracing::error!(%error, "the log was not closed"),
        }
        self.space.end();
        drop(self.space);
        // Raft's own tasks end, and let go of the files, a moment after it has said that it ended.
        let released = async {
            while !(self.log.is_last() && self.observer.strong_count() == 0 && self.snapshots.is_last()) {
                tokio::time::sleep(limits::STOP_LOOK).await;
            }
        };
        if tokio::time::timeout(limits::RELEASE, released).await.is_err() {
            tracing::warn!("some of Raft's tasks are still running");
        }
        tracing::info!(dir = %self.dir.path().display(), "the node has stopped");
    }

    /// Hands the leadership over to another voter that is alive and up to date. True when this node does not lead any
    /// more, or did not before. Bounded in time; this node goes on as a follower.
    pub async fn hand_over(&self) -> bool {
        self.group.handover.hand_over(|_| true).await
    }
}
