use crate::Timestamp;

/// So many jobs in so many seconds. As many may come at once after a quiet time: in any period, at most twice as many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// At least one.
    pub jobs: u32,
    /// At least one.
    pub seconds: u32,
}

/// What a rate has left: a bucket of as many tokens as jobs, which fills evenly in log time.
///
/// Kept as the time when it will be full, in parts of a millisecond, of which there are as many as the rate has jobs: so nothing
/// is rounded. (The generic cell rate algorithm, ITU-T I.371.)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    full_at: u128,
}

impl Bucket {
    /// As kept.
    pub fn of_parts(full_at: u128) -> Bucket {
        Bucket { full_at }
    }

    /// To be kept.
    pub fn parts(self) -> u128 {
        self.full_at
    }

    /// How many jobs may be granted now.
    pub(crate) fn left(self, rate: Rate, now: Timestamp) -> u64 {
        let missing = self.full_at.saturating_sub(at(rate, now));
        let taken = missing.div_ceil(a_job(rate));
        u64::from(rate.jobs).saturating_sub(u64::try_from(taken).unwrap_or(u64::MAX))
    }

    /// Takes a token for a job that is granted.
    pub(crate) fn take(&mut self, rate: Rate, now: Timestamp) {
        self.full_at = self.full_at.max(at(rate, now)) + a_job(rate);
    }

    /// When the first token is there, if there is none; `None`: never.
    pub(crate) fn next(self, rate: Rate) -> Option<Timestamp> {
        let all_but_one = a_job(rate) * u128::from(rate.jobs - 1);
        let first = self.full_at.saturating_sub(all_but_one).div_ceil(u128::from(rate.jobs));
        u64::try_from(first).ok().map(Timestamp)
    }
}

/// How long a token takes, in parts.
fn a_job(rate: Rate) -> u128 {
    u128::from(rate.seconds) * 1_000
}

/// A time in parts.
fn at(rate: Rate, now: Timestamp) -> u128 {
    u128::from(now.0) * u128::from(rate.jobs)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_700_000_000_000);

    #[test]
    fn a_bucket_empties_and_fills_evenly() {
        let rate = Rate { jobs: 3, seconds: 1 };
        let mut bucket = Bucket::default();
        assert_eq!(bucket.left(rate, NOW), 3);
        for left in [2, 1, 0] {
            bucket.take(rate, NOW);
            assert_eq!(bucket.left(rate, NOW), left);
        }
        // A third of a second each: 333.3 ms.
        assert_eq!(bucket.next(rate), Some(NOW.plus_millis(334)));
        assert_eq!(bucket.left(rate, NOW.plus_millis(333)), 0);
        assert_eq!(bucket.left(rate, NOW.plus_millis(334)), 1);
        assert_eq!(bucket.left(rate, NOW.plus_millis(1_000)), 3);
        assert_eq!(bucket.left(rate, NOW.plus_millis(9_000)), 3, "no more than it holds");
    }

    #[test]
    fn a_slow_rate_gives_one_at_a_time() {
        let rate = Rate { jobs: 1, seconds: 60 };
        let mut bucket = Bucket::default();
        bucket.take(rate, NOW);
        assert_eq!((bucket.left(rate, NOW), bucket.next(rate)), (0, Some(NOW.plus_seconds(60))));
    }
}
