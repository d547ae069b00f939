use std::time::Duration;

use crate::limits;

/// The pauses of one call: they grow, with jitter, so that clients which failed together do not come back together.
/// (backon draws its jitter on top of the whole pause instead of from 0 on, and would have to be told what the server asked for.)
#[derive(Debug)]
pub(crate) struct Pause {
    ceiling: Duration,
}

impl Pause {
    pub(crate) fn new() -> Pause {
        Pause { ceiling: *limits::PAUSE.start() }
    }

    /// The next pause: what the server asked for, and up to the ceiling on top.
    pub(crate) fn next(&mut self, retry_after: Option<Duration>) -> Duration {
        let jitter = self.ceiling.mul_f64(rand::random_range(0.0..1.0));
        self.ceiling = (self.ceiling * 2).min(*limits::PAUSE.end());
        retry_after.unwrap_or_default() + jitter
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_never_shorter_than_asked_for_and_never_over_its_ceiling() {
        let asked = Duration::from_secs(3);
        let mut pause = Pause::new();
        for _ in 0..100 {
            let next = pause.next(Some(asked));
            assert!(next >= asked);
            assert!(next <= asked + *limits::PAUSE.end());
        }
    }

    #[test]
    fn two_clients_do_not_pause_alike() {
        let (mut a, mut b) = (Pause::new(), Pause::new());
        assert!((0..20).any(|_| a.next(None) != b.next(None)));
    }
}
