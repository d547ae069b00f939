use super::Rate;
use crate::id::mix;
use crate::{JobId, limits};

/// How a queue hands its jobs out, and what they are like where they do not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueSettings {
    /// Whether none of its jobs is granted.
    pub paused: bool,
    /// Seconds that a job may run which does not say.
    pub timeout: Option<u32>,
    /// Automatic retries of a job that does not say.
    pub max_retries: Option<u32>,
    /// Seconds that automatic retries of a job wait which does not say.
    pub retries_delay: Option<u32>,
    /// Seconds that a job is kept which ended well; `None`: as long as the cluster's setting says.
    pub keep_success: Option<u64>,
    /// The same of one that failed or was cancelled.
    pub keep_error: Option<u64>,
    /// How an automatic retry's delay grows.
    pub backoff: Backoff,
    /// Most jobs that run at once.
    pub max_running: Option<u32>,
    /// Most jobs of one key that run at once. Jobs without a key are not limited by it.
    pub max_running_per_key: Option<u32>,
    /// Most jobs that are granted in a time.
    pub rate: Option<Rate>,
}

/// A change of one of them. `None` is as if it had never been set.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "named after the fields")]
pub enum Setting {
    Paused(bool),
    Timeout(Option<u32>),
    MaxRetries(Option<u32>),
    RetriesDelay(Option<u32>),
    KeepSuccess(Option<u64>),
    KeepError(Option<u64>),
    Backoff(Backoff),
    MaxRunning(Option<u32>),
    MaxRunningPerKey(Option<u32>),
    Rate(Option<Rate>),
}

impl QueueSettings {
    /// Changes one of them.
    pub(crate) fn set(&mut self, setting: Setting) {
        match setting {
            Setting::Paused(paused) => self.paused = paused,
            Setting::Timeout(timeout) => self.timeout = timeout,
            Setting::MaxRetries(max_retries) => self.max_retries = max_retries,
            Setting::RetriesDelay(delay) => self.retries_delay = delay,
            Setting::KeepSuccess(seconds) => self.keep_success = seconds,
            Setting::KeepError(seconds) => self.keep_error = seconds,
            Setting::Backoff(backoff) => self.backoff = backoff,
            Setting::MaxRunning(most) => self.max_running = most,
            Setting::MaxRunningPerKey(most) => self.max_running_per_key = most,
            Setting::Rate(rate) => self.rate = rate,
        }
    }
}

impl Setting {
    /// The name of the setting, if it is outside of its limits.
    pub(crate) fn outside(&self) -> Option<&'static str> {
        let within = |most: u32| move |value: &u32| (1..=most).contains(value);
        match self {
            Setting::Paused(_) => None,
            Setting::Timeout(value) => {
                (!value.as_ref().is_none_or(within(limits::TIMEOUT_SECONDS))).then_some("timeout")
            }
            Setting::MaxRetries(value) => {
                (!value.is_none_or(|value| value <= limits::MAX_RETRIES)).then_some("max_retries")
            }
            Setting::RetriesDelay(value) => {
                (!value.is_none_or(|value| value <= limits::RETRIES_DELAY_SECONDS)).then_some("retries_delay")
            }
            Setting::KeepSuccess(value) => (!value
                .is_none_or(|value| limits::RETENTION_SECONDS.contains(&value)))
            .then_some("keep_success"),
            Setting::KeepError(value) => (!value
                .is_none_or(|value| limits::RETENTION_SECONDS.contains(&value)))
            .then_some("keep_error"),
            Setting::Backoff(backoff) => (!backoff.is_within()).then_some("backoff"),
            Setting::MaxRunning(value) => {
                (!value.as_ref().is_none_or(within(limits::MAX_RUNNING))).then_some("max_running")
            }
            Setting::MaxRunningPerKey(value) => {
                (!value.as_ref().is_none_or(within(limits::MAX_RUNNING))).then_some("max_running_per_key")
            }
            Setting::Rate(rate) => (!rate.is_none_or(|rate| {
                (1..=limits::RATE_JOBS).contains(&rate.jobs)
                    && (1..=limits::RATE_SECONDS).contains(&rate.seconds)
            }))
            .then_some("rate"),
        }
    }
}

/// How long the automatic retries of a job wait.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Backoff {
    /// Each as long as the job's `retries_delay` says.
    #[default]
    Fixed,
    /// The first one so long, each further one twice as long as the one before.
    Exponential {
        /// The longest, in seconds.
        cap: u32,
        /// By how much it may be shorter or longer, so that jobs which failed together do not come back together.
        jitter_percent: u32,
    },
    /// The first one as long as the first of these, in seconds, and so on; the last one for all that follow.
    List(Vec<u32>),
}

impl Backoff {
    /// How long the retry of a job waits, in milliseconds. The jitter follows from the job's id, so that it is the same on every
    /// replica.
    pub(crate) fn delay_millis(&self, job: JobId, attempt: u32, retries_delay: u32) -> u64 {
        match self {
            Backoff::Fixed => u64::from(retries_delay) * 1_000,
            Backoff::Exponential { cap, jitter_percent } => {
                let doublings = attempt.saturating_sub(1).min(40);
                let seconds = (u64::from(retries_delay) << doublings).min(u64::from(*cap));
                let (millis, percent) = (seconds * 1_000, u64::from(*jitter_percent));
                let spread = millis * percent / 100;
                (millis - spread) + mix(job.folded()) % (2 * spread + 1)
            }
            Backoff::List(delays) => {
                let place = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
                let delay = delays.get(place).or(delays.last()).copied();
                u64::from(delay.unwrap_or(retries_delay)) * 1_000
            }
        }
    }

    fn is_within(&self) -> bool {
        match self {
            Backoff::Fixed => true,
            Backoff::Exponential { cap, jitter_percent } => {
                (1..=limits::RETRIES_DELAY_SECONDS).contains(cap) && *jitter_percent <= 100
            }
            Backoff::List(delays) => {
                (1..=limits::BACKOFF_DELAYS).contains(&delays.len())
                    && delays.iter().all(|delay| *delay <= limits::RETRIES_DELAY_SECONDS)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: JobId = JobId([7; 16]);

    #[test]
    fn a_fixed_delay_is_the_jobs() {
        assert_eq!([1, 2, 9].map(|attempt| Backoff::Fixed.delay_millis(JOB, attempt, 5)), [5_000; 3]);
    }

    #[test]
    fn an_exponential_delay_doubles_up_to_its_cap() {
        let backoff = Backoff::Exponential { cap: 60, jitter_percent: 0 };
        let delays = [1, 2, 3, 4, 5, 90].map(|attempt| backoff.delay_millis(JOB, attempt, 10));
        assert_eq!(delays, [10_000, 20_000, 40_000, 60_000, 60_000, 60_000]);
    }

    #[test]
    fn jitter_is_within_its_bounds_and_differs_from_job_to_job() {
        let backoff = Backoff::Exponential { cap: 60, jitter_percent: 20 };
        let delays: Vec<u64> = (0..100).map(|n| backoff.delay_millis(JobId([n; 16]), 1, 10)).collect();
        assert!(delays.iter().all(|delay| (8_000..=12_000).contains(delay)), "{delays:?}");
        assert!(delays.iter().any(|delay| *delay < 9_000) && delays.iter().any(|delay| *delay > 11_000));
    }

    #[test]
    fn a_lists_last_delay_is_for_all_that_follow() {
        let backoff = Backoff::List(vec![1, 5, 30]);
        assert_eq!(
            [1, 2, 3, 4].map(|attempt| backoff.delay_millis(JOB, attempt, 10)),
            [1_000, 5_000, 30_000, 30_000]
        );
    }
}
