use quorate_proto::peer::v1::DiscoverResponse;
use quorate_proto::peer::v1::drain_request::Mode;

use crate::cluster::handover::{Handover, leads_well};
use crate::cluster::station::Station;
use crate::command::intake::Intake;
use crate::limits;

/// A node that is being drained leads only where nobody else can, also when it is elected meanwhile. It goes on to stand in
/// elections: it could be the only one that has the log.
#[derive(Clone)]
pub(crate) struct Drain {
    pub(crate) handover: Handover,
    pub(crate) station: Station,
    pub(crate) intake: Intake,
}

impl Drain {
    pub(crate) async fn run(self) {
        let mut draining = self.station.watch_waits();
        let mut leadership = self.handover.peers.leadership.clone();
        let mut told = false;
        loop {
            if self.station.is_draining() && leadership.here().is_some() {
                let peers = &self.handover.peers;
                let suits = |answer: &DiscoverResponse| leads_well(answer) && peers.has_applied(answer);
                if !self.handover.hand_over(suits).await {
                    if !std::mem::replace(&mut told, true) {
                        tracing::info!(
                            "this node leads though it is being drained: no other voter can, as it is"
                        );
                    }
                    tokio::time::sleep(limits::DRAIN_TRY).await;
                }
                continue;
            }
            told = false;
            tokio::select! {
                _ = draining.changed() => {}
                () = leadership.changed() => {}
            }
        }
    }

    /// Does so, and waits until it is done or cannot be done now. True when this node leads all the same.
    pub(crate) async fn set(&self, mode: Mode) -> bool {
        let mut leadership = self.handover.peers.leadership.clone();
        match mode {
            Mode::Drain => {
                // It waits until another one leads: whoever looks then finds a cluster that has a leader.
                let led = leadership.here().is_some();
                if self.station.set_draining(true) {
                    tracing::info!("this node is being drained");
                }
                let handed_over = async {
                    while led && leadership.now().is_none_or(|leader| leader.here) {
                        leadership.changed().await;
                    }
                };
                if !self.handover.has_no_other_voter() {
                    let _ = tokio::time::timeout(limits::DRAIN, handed_over).await;
                }
            }
            Mode::Undrain => {
                if self.station.set_draining(false) {
                    tracing::info!("this node is not drained any more");
                }
            }
            Mode::Leave => {
                self.station.leave();
                let _ = tokio::time::timeout(limits::DRAIN, self.intake.drained()).await;
            }
            Mode::Unspecified => {}
        }
        leadership.here().is_some()
    }
}
