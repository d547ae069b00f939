use quorate_core::{Command, FeatureLevel};
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

impl Raiser {
    pub(crate) async fn run(self) {
        let mut round = tokio::time::interval(limits::WATCH);
        round.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut told = String::new();
        loop {
            round.tick().await;
            let leads = self.peers.leadership.now().is_some_and(|leader| leader.here);
            if !leads || self.peers.config.feature_level <= self.level() {
                continue;
            }
            let Err(waits_for) = self.raise().await else { continue };
            if waits_for != told {
                tracing::info!(level = %self.level(), "the feature level is not raised: {waits_for}");
                told = waits_for;
            }
        }
    }

    fn level(&self) -> FeatureLevel {
        *self.level.borrow()
    }

    /// Raises it, or says what is waited for.
    async fn raise(&self) -> Result<(), String> {
        let _gate = self.admission.close().await;
        let mut common = self.peers.config.feature_level;
        let members = self.peers.members();
        let asked = members.iter().map(|(id, node)| async move { (node, self.peers.ask_member(*id).await) });
        for (node, answer) in futures::future::join_all(asked).await {
            let answer = answer.ok_or_else(|| format!("{} does not answer", node.name))?;
            let level = FeatureLevel(answer.feature_level);
            if level <= self.level() {
                return Err(format!("{} understands {level}", node.name));
            }
            common = common.min(level);
        }
        let answered = self.intake.submit(Command::Raise { level: common }, limits::RAISE).await;
        let answered = answered.map_err(|error| error.to_string())?;
        answered.outcome.map_err(|refusal| format!("{refusal:?}"))?;
        tracing::info!(level = %common, "the cluster's feature level is raised");
        Ok(())
    }
}
