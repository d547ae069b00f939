use std::sync::Arc;

use parking_lot::Mutex;
use quorate_proto::peer::v1::DiscoverResponse;
use quorate_store::DataDir;

use crate::Raft;
use crate::cluster::peers::Peers;
use crate::limits;

/// Asks the other members now and then: where they are, how late it is by their clocks, and whether this node is still one
/// of them.
pub(crate) struct Watch {
    pub(crate) peers: Peers,
    pub(crate) raft: Raft,
    pub(crate) dir: Arc<DataDir>,
}

impl Watch {
    pub(crate) async fn run(self) {
        // The index of the last committed membership that had this node.
        let was_member_at = Mutex::default();
        tokio::join!(self.ask_in_rounds(&was_member_at), self.follow_membership(&was_member_at));
    }

    /// A node may be taken in and removed again between two rounds.
    async fn follow_membership(&self, was_member_at: &Mutex<Option<u64>>) {
        let mut leadership = self.peers.leadership.clone();
        loop {
            if leadership.has_members() {
                self.peers.process.clock.among(self.peers.other_voters());
            }
            let committed = leadership.committed_membership();
            if committed.membership().get_node(&self.peers.process.identity.node_id).is_some() {
                *was_member_at.lock() = committed.log_id().map(|log_id| log_id.index);
                // Whoever took it in may be gone before it could say so.
                self.peers.station.set_applies(false);
            }
            leadership.changed().await;
        }
    }

    async fn ask_in_rounds(&self, was_member_at: &Mutex<Option<u64>>) {
        let mut round = tokio::time::interval(limits::WATCH);
        round.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut wall_clock, mut log_time) = (Alarm::default(), Alarm::default());
        loop {
            tokio::select! {
                _ = round.tick() => {}
                () = self.peers.station.asked_to_look() => {}
            }
            let addrs = self.peers.addresses();
            let answers = self.peers.ask_all(&addrs).await;
            self.peers.look_for_tls(&addrs, &answers).await;
            self.peers.absent.note(&self.peers.members(), &addrs, &answers);
            self.peers.process.transport.keep(&self.peers.addresses().into_iter().collect());
            if let Some(at) = *was_member_at.lock() {
                self.look_for_removal(at, answers.iter().flatten());
            }

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

    /// A node that knows a later membership than the last one that had this node, which was `at`, and has it no more, knows that it was removed.
    /// Both are committed: nobody takes them back.
    fn look_for_removal<'a>(&self, at: u64, answers: impl Iterator<Item = &'a DiscoverResponse>) {
        let node_id = self.peers.process.identity.node_id;
        if self.peers.station.is_removed() {
            return;
        }
        let mut of_cluster =
            answers.filter(|answer| self.peers.cluster_id() == Some(answer.cluster_id.as_str()));
        let knows = |answer: &&DiscoverResponse| {
            answer.members_index > at && !answer.has_asker && !answer.knows_asker
        };
        let Some(DiscoverResponse { name, members_index, .. }) = of_cluster.find(knows) else { return };
        self.peers.station.set_removed();
        // It would only disturb the others.
        self.raft.runtime_config().elect(false);
        tracing::error!(
            node_id,
            says = name,
            members_index,
            "this node was removed from the cluster: it takes part in nothing any more. Stop it; to have it join again, wipe \
             its data directory"
        );
        let why = format!("{name} says that this node is no member since log index {members_index}");
        if let Err(error) = self.dir.mark_removed(&why) {
            tracing::error!(%error, "that it was removed can not be noted: it is found out again at its next start");
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
