use std::sync::Arc;
use std::time::Duration;

use crate::limits;
use crate::machine::Machine;

/// Pauses between attempts: each longer than the last one, with some chance in it, so that those who wait for the same
/// thing do not come back all at once. Our own, since a crate's chance would not be the machine's.
pub(crate) struct Pause {
    longest: Duration,
    machine: Arc<dyn Machine>,
}

impl Pause {
    pub(crate) fn new(machine: &Arc<dyn Machine>) -> Pause {
        Pause { longest: limits::PAUSE.0, machine: Arc::clone(machine) }
    }

    /// The next one.
    pub(crate) fn next(&mut self) -> Duration {
        let [drawn, ..] = self.machine.draw();
        let pause = self.longest.mul_f64(0.5 + f64::from(drawn) / 512.0);
        self.longest = (self.longest * 2).min(limits::PAUSE.1);
        pause
    }
}
