use std::sync::Arc;

use quorate_store::{DataDir, LogTimeFile, LogTimeNote, StoreError};

use crate::limits;
use crate::machine::Machine;
use crate::time::clock::{LogClock, Memory};

/// Keeps on disk what this node knows of log time, so that a cluster whose nodes are all started again goes on where it
/// was, by the machines' uptime. It is a hint: without it timers may be late, and nothing else is wrong.
pub(crate) struct Recall {
    clock: LogClock,
    file: Arc<LogTimeFile>,
    boot: String,
}

impl Recall {
    /// Takes up what was noted before.
    pub(crate) fn open(dir: &DataDir, machine: &Arc<dyn Machine>, clock: &LogClock) -> Option<Recall> {
        // Where a boot has no name it is told from every other one, for safety.
        let boot = machine
            .boot()
            .unwrap_or_else(|| uuid::Builder::from_random_bytes(machine.draw()).into_uuid().to_string());
        let file = LogTimeFile::open(dir).inspect_err(unusable).ok()?;
        if let Some(note) = file.read().inspect_err(unusable).ok().flatten() {
            let LogTimeNote { boot: noted_on, term, time, uptime } = note;
            clock.remember(Memory { term, time, uptime }, noted_on == boot);
        }
        Some(Recall { clock: clock.clone(), file: Arc::new(file), boot })
    }

    /// Notes it now and then, and when there is another leader.
    pub(crate) async fn run(self) {
        let mut news = self.clock.news();
        let mut round = tokio::time::interval(limits::NOTE);
        round.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut noted = None;
        let mut works = true;
        loop {
            tokio::select! {
                _ = round.tick() => {}
                _ = news.changed() => {}
            }
            let memory = self.clock.memory();
            if memory == noted {
                continue;
            }
            noted = memory.clone();
            let Some(memory) = memory else { continue };
            match self.write(memory).await {
                Ok(()) => works = true,
                Err(error) if works => {
                    unusable(&error);
                    works = false;
                }
                Err(_) => {}
            }
        }
    }

    async fn write(&self, memory: Memory) -> Result<(), StoreError> {
        let Memory { term, time, uptime } = memory;
        let note = LogTimeNote { boot: self.boot.clone(), term, time, uptime };
        let file = Arc::clone(&self.file);
        match tokio::task::spawn_blocking(move || file.write(note)).await {
            Ok(written) => written,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }
}

fn unusable(error: &StoreError) {
    tracing::warn!(%error, "the note of log time is of no use: timers may be late after a restart");
}
