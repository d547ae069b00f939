use std::time::Duration;

use crate::limits;

/// Pauses between attempts: each longer than the last one, with some chance in it, so that those who wait for the same
/// thing do not come back all at once.
pub(crate) struct Pause(Duration);

impl Pause {
    pub(crate) fn new() -> Pause {
        Pause(limits::PAUSE.0)
    }

    /// The next one.
    pub(crate) fn next(&mut self) -> Duration {
        let pause = self.0.mul_f64(rand::random_range(0.5..1.0));
        self.0 = (self.0 * 2).min(limits::PAUSE.1);
        pause
    }
}
