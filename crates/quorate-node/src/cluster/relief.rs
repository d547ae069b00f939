use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::DiskState;
use crate::cluster::handover::{Handover, has_room};
use crate::disk::Disk;
use crate::limits;

/// A leader that is short of room makes some, or gives its place to a voter that has some: new jobs are refused only where
/// nobody has.
///
/// Meanwhile new jobs wait. When nothing came of it they are refused until the next look.
pub(crate) struct Relief {
    pub(crate) handover: Handover,
    pub(crate) disk: Disk,
    pub(crate) state: watch::Receiver<DiskState>,
    pub(crate) squeeze: Arc<Notify>,
}

impl Relief {
    pub(crate) async fn run(mut self) {
        let mut last: Option<Instant> = None;
        loop {
            self.disk.expect_successor(true);
            self.until(true).await;
            self.squeeze.notify_one();
            let _ = tokio::time::timeout(limits::SQUEEZE, self.until(false)).await;
            // Two that fill in turn do not pass it on and on: the next time is a moment later, and jobs wait for it.
            let rest = last.map_or(Duration::ZERO, |last| limits::RELIEF_REST.saturating_sub(last.elapsed()));
            if !rest.is_zero() && self.is_needed() && self.somebody_has_room().await {
                let _ = tokio::time::timeout(rest, self.until(false)).await;
            }
            if self.is_needed() && self.hand_over().await {
                last = Some(Instant::now());
            }
            if self.is_needed() {
                self.disk.expect_successor(false);
                let _ = tokio::time::timeout(limits::RELIEF_PAUSE, self.until(false)).await;
            }
        }
    }

    /// True when another node leads.
    async fn hand_over(&self) -> bool {
        let until = Instant::now() + limits::RELIEF;
        while self.is_needed() && Instant::now() < until && self.somebody_has_room().await {
            if self.handover.hand_over(has_room).await {
                return true;
            }
            // None of them was up to date. Nothing large is appended meanwhile.
            tokio::time::sleep(limits::RELIEF_TRY).await;
        }
        false
    }

    /// Asked first: no need to try where nobody has.
    async fn somebody_has_room(&self) -> bool {
        let peers = &self.handover.peers;
        let stored = peers.leadership.membership();
        let others = stored.membership().voter_ids().filter(|id| *id != peers.process.identity.node_id);
        let answers = futures::future::join_all(others.map(|id| peers.ask_member(id))).await;
        answers.iter().flatten().any(has_room)
    }

    fn is_needed(&self) -> bool {
        self.disk.state() != DiskState::Room && self.handover.peers.leadership.here().is_some()
    }

    /// Waits until this node leads without room, or does not any more.
    async fn until(&mut self, needed: bool) {
        let mut leadership = self.handover.peers.leadership.clone();
        while self.is_needed() != needed {
            tokio::select! {
                () = leadership.changed() => {}
                // The disk is watched as long as this is.
                _ = self.state.changed() => {}
            }
        }
    }
}
