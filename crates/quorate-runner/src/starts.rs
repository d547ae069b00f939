use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::limits;

/// Whether this runner can start jobs. While it can't, it takes none for a while that grows, and then one to see: a runner
/// whose machine is broken must not fail all the jobs that another one could run.
#[derive(Debug)]
pub(crate) struct Starts(watch::Sender<Option<Failing>>);

#[derive(Clone, Copy, Debug)]
struct Failing {
    pause: Duration,
    grown: Instant,
    until: Instant,
}

impl Starts {
    pub(crate) fn new() -> Starts {
        Starts(watch::Sender::new(None))
    }

    /// Waits until jobs may be taken; true if it should be one, since the last starts failed.
    pub(crate) async fn allow(&self) -> bool {
        let mut changes = self.0.subscribe();
        loop {
            let Some(failing) = *changes.borrow_and_update() else { return false };
            if failing.until <= Instant::now() {
                return true;
            }
            tokio::select! {
                () = sleep_until(failing.until) => {}
                _ = changes.changed() => {}
            }
        }
    }

    /// Jobs can be started, as far as is known.
    pub(crate) fn are_well(&self) -> bool {
        self.0.borrow().is_none()
    }

    /// One was taken to see: the next has to wait until it is known what became of it.
    pub(crate) fn trying(&self) {
        self.0.send_modify(|failing| {
            if let Some(failing) = failing {
                failing.until = Instant::now() + failing.pause;
            }
        });
    }

    /// A job that was taken at that time could not be started. Those that were taken together count once.
    pub(crate) fn failed(&self, taken: Instant, why: &str) {
        self.0.send_if_modified(|failing| {
            let pause = match failing {
                None => *limits::START_PAUSE.start(),
                Some(failing) if taken <= failing.grown => return false,
                Some(failing) => (failing.pause * 2).min(*limits::START_PAUSE.end()),
            };
            if failing.is_none_or(|failing| failing.pause != pause) {
                tracing::warn!("jobs can't be started, and none are taken for {pause:?}: {why}");
            }
            let now = Instant::now();
            *failing = Some(Failing { pause, grown: now, until: now + pause });
            true
        });
    }

    /// A job was started.
    pub(crate) fn succeeded(&self) {
        self.0.send_if_modified(|failing| {
            let failed = failing.take().is_some();
            if failed {
                tracing::info!("jobs can be started again");
            }
            failed
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// How long until jobs may be taken, by a clock that is played.
    async fn pause(starts: &Starts) -> Duration {
        let start = Instant::now();
        starts.allow().await;
        start.elapsed().max(Duration::from_millis(1)) - Duration::from_millis(1) // the timer's grain
    }

    fn seconds(n: u64) -> std::ops::RangeInclusive<Duration> {
        Duration::from_secs(n) - Duration::from_millis(2)..=Duration::from_secs(n)
    }

    #[tokio::test(start_paused = true)]
    async fn the_pause_grows_with_each_failure_and_ends_with_a_success() {
        let starts = Starts::new();
        assert!(!starts.allow().await);
        for expected in [1, 2, 4, 8, 16, 30, 30] {
            tokio::time::advance(Duration::from_millis(1)).await;
            starts.failed(Instant::now(), "no such file");
            let pause = pause(&starts).await;
            assert!(seconds(expected).contains(&pause), "{pause:?} and not {expected} s");
            assert!(starts.allow().await, "more than one is allowed");
        }
        starts.succeeded();
        assert!(!starts.allow().await);
        starts.failed(Instant::now(), "no such file");
        assert!(seconds(1).contains(&pause(&starts).await));
    }

    #[tokio::test(start_paused = true)]
    async fn those_that_were_taken_together_count_once() {
        let (starts, taken) = (Starts::new(), Instant::now());
        tokio::time::advance(Duration::from_millis(10)).await;
        for _ in 0..8 {
            starts.failed(taken, "no such file");
        }
        assert!(seconds(1).contains(&pause(&starts).await));
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_taken_until_it_is_known_what_became_of_the_one() {
        let starts = Starts::new();
        starts.failed(Instant::now(), "no such file");
        assert!(starts.allow().await);
        starts.trying();
        let allowed = starts.allow();
        tokio::pin!(allowed);
        tokio::select! {
            biased;
            _ = &mut allowed => panic!("another one may be taken"),
            () = std::future::ready(()) => {}
        }
        starts.succeeded();
        assert!(!allowed.await, "all may be taken");
    }
}
