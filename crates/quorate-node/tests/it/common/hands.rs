//! A machine's clocks: the real ones, moved as a test says.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use quorate_node::{Machine, ThisMachine};

#[derive(Clone, Default)]
pub struct Hands(Arc<Mutex<Moved>>);

#[derive(Default)]
struct Moved {
    /// How far the wall clock is ahead, in milliseconds.
    wall_ms: i64,
    /// What is not counted of the real uptime.
    before_boot: Duration,
    /// What it was up while the others were stopped.
    alone: Duration,
    boots: u32,
}

impl Hands {
    /// The wall clock is so far ahead of the real one from now on.
    pub fn set(&self, ahead_ms: i64) {
        self.0.lock().wall_ms = ahead_ms;
    }

    /// Time goes by for this machine, and not for those that are stopped meanwhile, as suspended guests are.
    pub fn pass(&self, time: Duration) {
        let mut moved = self.0.lock();
        moved.alone += time;
        moved.wall_ms += i64::try_from(time.as_millis()).unwrap();
    }

    /// The machine is started again.
    pub fn boot(&self) {
        let mut moved = self.0.lock();
        (moved.before_boot, moved.alone) = (ThisMachine.uptime(), Duration::ZERO);
        moved.boots += 1;
    }
}

impl Machine for Hands {
    fn wall_ms(&self) -> u64 {
        ThisMachine.wall_ms().saturating_add_signed(self.0.lock().wall_ms)
    }

    fn uptime(&self) -> Duration {
        let moved = self.0.lock();
        ThisMachine.uptime().saturating_sub(moved.before_boot) + moved.alone
    }

    fn boot(&self) -> Option<String> {
        Some(format!("boot {}", self.0.lock().boots))
    }

    fn draw(&self) -> [u8; 16] {
        ThisMachine.draw()
    }
}
