use quorate_core::{Command, FeatureLevel, Refusal, Unavailable};
use tokio::sync::watch;

use crate::cluster::membership::Admission;
use crate::cluster::peers::Peers;
use crate::command::intake::Intake;
use crate::limits;

/// Raises the cluster's feature level while this node leads: to the highest that every member's program understands.
///
/// A member that does not answer holds it: it may come back with an older program. Nobody is taken in meanwhile, so that
/// no newcomer is older than what was just raised.
pub(crate) struct Raiser {
    pub(crate) peers: Peers,
    pub(crate) admission: Admission,
    pub(crate) intake: Intake,
    /// The cluster's.
    pub(crate) level: watch::Receiver<FeatureLevel>,
}

/// Why it is not raised.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum Held {
    #[error("{0} does not answer")]
    Silent(String),
    #[error("{name} understands {level}")]
    Older { name: String, level: FeatureLevel },
    #[error(transparent)]
    Unanswered(#[from] Unavailable),
    #[error("it was refused: {0:?}")]
    Refused(Refusal),
}

impl Raiser {
    pub(crate) async fn run(self) {
        let mut round = tokio::time::interval(limits::WATCH);
        round.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut told = None;
        loop {
            round.tick().await;
            let leads = self.peers.leadership.here().is_some();
            if !leads || self.peers.process.config.feature_level <= self.level() {
                continue;
            }
            let Err(held) = self.raise().await else { continue };
            if told.as_ref() != Some(&held) {
                tracing::info!(level = %self.level(), "the feature level is not raised: {held}");
                told = Some(held);
            }
        }
    }

    fn level(&self) -> FeatureLevel {
        *self.level.borrow()
    }

    /// Raises it, or says what holds it.
    async fn raise(&self) -> Result<(), Held> {
        let _gate = self.admission.close().await;
        let mut common = self.peers.process.config.feature_level;
        let members = self.peers.members();
        let asked = members.iter().map(|(id, node)| async move { (node, self.peers.ask_member(*id).await) });
        for (node, answer) in futures::future::join_all(asked).await {
            let answer = answer.ok_or_else(|| Held::Silent(node.name.clone()))?;
            let level = FeatureLevel(answer.feature_level);
            if level <= self.level() {
                return Err(Held::Older { name: node.name.clone(), level });
            }
            common = common.min(level);
        }
        let answered = self.intake.submit(Command::Raise { level: common }, limits::RAISE).await;
        answered?.outcome.map_err(Held::Refused)?;
        tracing::info!(level = %common, "the cluster's feature level is raised");
        Ok(())
    }
}
