use openraft::async_runtime::WatchReceiver;
use quorate_store::Reader;

use crate::Raft;
use crate::cluster::peers::Peers;
use crate::leadership::Leadership;
use crate::pause::Pause;
use crate::time::clock::{LogClock, Start};

/// Starts log time in each term that this node leads, once everything before the term is applied: nothing is stamped
/// until then.
pub(crate) struct TermStart {
    pub(crate) raft: Raft,
    pub(crate) leadership: Leadership,
    pub(crate) clock: LogClock,
    pub(crate) peers: Peers,
    pub(crate) reader: Reader,
}

impl TermStart {
    pub(crate) async fn run(mut self) {
        loop {
            if let Some(leader) = self.leadership.here()
                && self.clock.lead(leader.term).is_none()
            {
                let mut leadership = self.leadership.clone();
                tokio::select! {
                    () = self.start(leader.term) => {}
                    _ = leadership.other_than(Some(leader)) => {}
                }
            }
            self.leadership.changed().await;
        }
    }

    async fn start(&self, term: u64) {
        // The voters have told what they know with their votes. A node that is in use knows as well as they do; one that
        // was just started may have been elected by such alone.
        if self.clock.now().is_none() {
            self.peers.ask_all(&self.peers.addresses()).await;
        }
        self.applied_before(term).await;
        let mut pause = Pause::new(&self.peers.process.machine);
        loop {
            let timers = self.reader.next_timer().is_some();
            match self.clock.start(term, timers, &self.peers.other_voters()) {
                Some(Start::WentOn) => return tracing::debug!(term, "log time goes on"),
                Some(Start::StoodStill) => {
                    return tracing::warn!(
                        term,
                        "no member that answers knows log time: it goes on from where it was last, and timers are late \
                         by the outage"
                    );
                }
                Some(Start::Anew) => {
                    return tracing::info!(term, "log time starts at the median of the members' wall clocks");
                }
                None => {
                    self.peers.ask_all(&self.peers.addresses()).await;
                    tokio::time::sleep(pause.next()).await;
                }
            }
        }
    }

    /// Waits until the first entry of this term is applied, hence all before it. Raft appends it itself.
    async fn applied_before(&self, term: u64) {
        let mut metrics = self.raft.data_metrics();
        loop {
            let applied = metrics.borrow_watched().last_applied;
            if applied.is_some_and(|applied| applied.leader_id.term >= term) {
                return;
            }
            if metrics.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}
