use std::time::Duration;

use openraft::errors::RaftError;
use prost::Message;
use quorate_core::Timestamp;
use quorate_proto::log::v1::PackedBatch;
use quorate_store::{BatchBytes, Reader};
use tokio::sync::watch;

use crate::Raft;
use crate::command::batcher::Batcher;
use crate::leadership::Leadership;
use crate::limits;
use crate::time::clock::LogClock;

/// Between two looks: while commands are under way, after a tick that was refused, and after [`ROUNDS`] ticks that left
/// work from the same moment.
const PAUSE: Duration = Duration::from_millis(100);
/// One tick does a bounded part of what is due. So many in a row for one moment are more than that: something is wrong,
/// and must not fill the log.
const ROUNDS: u32 = 10_000;

/// Proposes a tick, an entry without commands, when something is due and no command is under way: every entry carries
/// out what is due. Only the leader does. It costs next to nothing while nothing is due.
pub(crate) struct Ticker {
    pub(crate) raft: Raft,
    pub(crate) leadership: Leadership,
    pub(crate) clock: LogClock,
    pub(crate) batcher: Batcher,
    pub(crate) reader: Reader,
    pub(crate) applied: watch::Receiver<u64>,
}

impl Ticker {
    pub(crate) async fn run(mut self) {
        let mut last = (Timestamp::ZERO, 0);
        loop {
            let Some(leader) = self.leadership.now().filter(|leader| leader.here) else {
                self.leadership.changed().await;
                continue;
            };
            self.applied.mark_unchanged();
            let Some(now) = self.clock.lead(leader.term) else {
                tokio::select! {
                    _ = self.clock.leads(leader.term) => {}
                    () = self.leadership.changed() => {}
                }
                continue;
            };
            let wait = match self.reader.next_work() {
                None => None,
                Some(due) if due > now => Some(Duration::from_millis(due.0 - now.0).min(limits::TICK_LOOK)),
                // What is under way does it, unless it was stamped before this was due: so look again. It may have been
                // applied already, and then nothing else would wake this up.
                Some(_) if !self.batcher.is_idle() => Some(PAUSE),
                Some(due) => {
                    last = (due, if last.0 == due { last.1 + 1 } else { 0 });
                    if last.1 < ROUNDS && self.tick(now).await {
                        continue;
                    }
                    last.1 = 0;
                    Some(PAUSE)
                }
            };
            let pause = async {
                match wait {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = pause => {}
                changed = self.applied.changed() => if changed.is_err() { return },
                () = self.leadership.changed() => {}
            }
        }
    }

    /// True when the tick was applied here.
    async fn tick(&self, now: Timestamp) -> bool {
        let tick = PackedBatch { stamp_ms: now.0, envelopes: Vec::new() };
        match self.raft.client_write(BatchBytes(tick.encode_to_vec().into())).await {
            Ok(_) => true,
            Err(RaftError::APIError(error)) => {
                tracing::debug!(%error, "the tick was refused");
                false
            }
            Err(RaftError::Fatal(error)) => {
                tracing::debug!(%error, "Raft has ended");
                false
            }
        }
    }
}
