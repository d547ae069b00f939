use std::time::Duration;

use quorate_core::Timestamp;
use quorate_store::Reader;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::command::batcher::Batcher;
use crate::leadership::Leadership;
use crate::limits;
use crate::time::clock::LogClock;

/// Has the batcher propose a tick, an entry without commands, when something is due and no command is under way: every entry
/// carries out what is due. Only the leader does. It costs next to nothing while nothing is due.
pub(crate) struct Ticker {
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
            let Some(leader) = self.leadership.here() else {
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
                Some(_) if !self.batcher.is_idle() => Some(limits::TICK_PAUSE),
                Some(due) => {
                    last = (due, if last.0 == due { last.1 + 1 } else { 0 });
                    let begun = Instant::now();
                    if last.1 < limits::TICKS_IN_A_ROW && self.batcher.tick().await {
                        // Half of the time is others': much that is due at once comes in many ticks.
                        tokio::time::sleep(begun.elapsed().min(limits::TICK_PAUSE)).await;
                        continue;
                    }
                    last.1 = 0;
                    Some(limits::TICK_PAUSE)
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
}
