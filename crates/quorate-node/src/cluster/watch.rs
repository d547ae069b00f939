use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use quorate_proto::peer::v1::DiscoverResponse;

use crate::Raft;
use crate::cluster::peers::Peers;
use crate::cluster::presence::Absent;
use crate::limits;

/// Asks the other members now and then: where they are, how late it is by their clocks, and whether this node is still one
/// of them.
pub(crate) struct Watch {
    pub(crate) peers: Peers,
    pub(crate) raft: Raft,
    /// True once this node was removed from the membership.
    pub(crate) removed: Arc<AtomicBool>,
}

impl Watch {
    pub(crate) async fn run(self) {
        let mut round = tokio::time::interval(limits::WATCH);
        round.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut wall_clock, mut log_time) = (Alarm::default(), Alarm::default());
        let mut absent = Absent::default();
        loop {
            round.tick().await;
            let addrs = self.peers.addresses();
            let answers = self.peers.ask_all(&addrs).await;
            absent.note(&self.peers.members(), &addrs, &answers);
            self.peers.process.transport.keep(&self.peers.addresses().into_iter().collect());
            self.look_for_removal(answers.iter().flatten());

            let (clock, others) = (&self.peers.process.clock, self.peers.other_voters());
            let offset_ms = clock.own_offset_ms(&others);
            match wall_clock.turn(is_off(offset_ms)) {
                Some(true) => {
                    tracing::warn!(offset_ms, "this node's wall clock is off the members' median");
                }
                Some(false) => tracing::info!("this node's wall clock agrees with the members' again"),
                None => {}
            }

            let Some(leader) = self.peers.leadership.here() else {
                log_time = Alarm::default();
                continue;
            };
            clock.steer(leader.term, &others);
            let Some(offset_ms) = clock.log_time_offset_ms(&others) else { continue };
            match log_time.turn(is_off(offset_ms)) {
                Some(true) => tracing::warn!(
                    offset_ms,
                    slew_ppm = limits::SLEW_PPM,
                    "log time is off the median of the members' wall clocks: it is slewed, so that no timer fires early"
                ),
                Some(false) => tracing::info!("log time agrees with the members' wall clocks again"),
                None => {}
            }
        }
    }

    /// A leader that has applied the membership in which this node was, and has it no more, has removed it.
    fn look_for_removal<'a>(&self, answers: impl Iterator<Item = &'a DiscoverResponse>) {
        let stored = self.peers.leadership.membership();
        let was_member = stored.membership().get_node(&self.peers.process.identity.node_id).is_some();
        let Some(log_id) = stored.log_id().filter(|_| was_member) else { return };
        for answer in answers {
            let knows = answer.leads
                && self.peers.cluster_id() == Some(answer.cluster_id.as_str())
                && answer.applied_index >= log_id.index;
            if !knows {
                continue;
            }
            let removed = !answer.knows_asker;
            if self.removed.swap(removed, Ordering::Relaxed) != removed {
                // It would only disturb the others.
                self.raft.runtime_config().elect(!removed);
                if removed {
                    tracing::error!(
                        node_id = self.peers.process.identity.node_id,
                        leader = answer.name,
                        "this node was removed from the cluster: it takes part in no election any more"
                    );
                }
            }
        }
    }
}

fn is_off(offset_ms: i64) -> bool {
    offset_ms.unsigned_abs() > limits::CLOCK_OFFSET_MILLIS
}

/// Something that is said once when it begins, and once when it is over.
#[derive(Default)]
struct Alarm {
    on: bool,
}

impl Alarm {
    /// What it has turned to, if it has.
    fn turn(&mut self, on: bool) -> Option<bool> {
        (std::mem::replace(&mut self.on, on) != on).then_some(on)
    }
}
