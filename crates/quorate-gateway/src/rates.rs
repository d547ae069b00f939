use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::error::ApiError;
use crate::limits::{RATE_BURST, RATED_CALLERS};
use crate::whose::{Behalf, Whose};

/// How many jobs each caller enqueues in a second, at this node.
///
/// A bucket for each that is full with [`RATE_BURST`]; of which only the moment is kept at which it will be full again (the
/// generic cell rate algorithm of ATM, ITU-T I.371). Who has not emptied it may enqueue all of a batch, which may cost more than
/// is in there: then it waits for that before the next one.
#[derive(Debug)]
pub(crate) struct Rates {
    /// Of callers whose tokens say no other. `None`: as many as they like.
    usual: Option<u32>,
    full_at: Mutex<HashMap<Whose, Instant>>,
}

impl Rates {
    pub(crate) fn new(usual: Option<u32>) -> Rates {
        Rates { usual, full_at: Mutex::default() }
    }

    /// Counts so many jobs for the caller of the request under way. None at all asks whether it may.
    ///
    /// # Errors
    /// 429: it has enqueued too many of late.
    pub(crate) fn pay(&self, jobs: usize) -> Result<(), ApiError> {
        let Some(Behalf { whose, rate }) = Behalf::now() else { return Ok(()) };
        match rate.or(self.usual) {
            Some(rate) => self.pay_at(whose, rate, jobs),
            None => Ok(()),
        }
    }

    /// The same of this caller, whose rate is that.
    pub(crate) fn pay_at(&self, whose: Whose, rate: u32, jobs: usize) -> Result<(), ApiError> {
        let now = Instant::now();
        let mut all = self.full_at.lock();
        let full_at = all.get(&whose).copied().unwrap_or(now).max(now);
        if let Some(over) = (full_at - now).checked_sub(RATE_BURST) {
            return Err(ApiError::CallerTooFast { rate, seconds: over.as_secs() + 1 });
        }
        if jobs > 0 {
            if all.len() >= RATED_CALLERS && !all.contains_key(&whose) {
                make_room(&mut all, now);
            }
            all.insert(whose, full_at + Duration::from_secs_f64(jobs as f64 / f64::from(rate)));
        }
        Ok(())
    }
}

/// Forgets whose buckets are full: they are as if they had never come. Where those are few, who comes from everywhere is
/// counted anew; tokens are not that many.
fn make_room(all: &mut HashMap<Whose, Instant>, now: Instant) {
    all.retain(|_, full_at| *full_at > now);
    if all.len() > RATED_CALLERS / 2 {
        all.retain(|whose, _| matches!(whose, Whose::Token(_)));
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn token(name: &str) -> Whose {
        Whose::Token(name.into())
    }

    fn seconds(refused: Result<(), ApiError>) -> u64 {
        match refused {
            Err(ApiError::CallerTooFast { seconds, .. }) => seconds,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_has_its_rate_in_the_long_run_and_is_told_when_to_come_back() {
        let rates = Rates::new(None);
        let pay = |name: &str, jobs| rates.pay_at(token(name), 10, jobs);
        for _ in 0..10 {
            pay("one", 1).unwrap();
        }
        assert_eq!(seconds(pay("one", 1)), 1);
        assert_eq!(seconds(pay("one", 0)), 1, "it is asked before the body is read");
        pay("other", 1).unwrap();
        tokio::time::advance(Duration::from_secs(1)).await;
        // All of a batch, and then what it is too much is waited for, and no longer.
        pay("one", 1_000).unwrap();
        let wait = seconds(pay("one", 1));
        assert_eq!(wait, 100);
        tokio::time::advance(Duration::from_secs(wait - 1)).await;
        assert_eq!(seconds(pay("one", 1)), 1);
        tokio::time::advance(Duration::from_secs(1)).await;
        pay("one", 1).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_callers_are_kept_than_may_be_and_no_token_is_forgotten() {
        let rates = Rates::new(None);
        rates.pay_at(token("one"), 1, 1_000).unwrap();
        for number in 0..3 * RATED_CALLERS as u32 {
            rates.pay_at(Whose::at(Ipv4Addr::from(number).into()), 1, 1_000).unwrap();
        }
        assert!(rates.full_at.lock().len() <= RATED_CALLERS);
        assert!(seconds(rates.pay_at(token("one"), 1, 1)) > 900);
        // Those that are full again go first.
        tokio::time::advance(Duration::from_secs(2_000)).await;
        rates.pay_at(token("two"), 1, 1_000).unwrap();
        for number in 0..RATED_CALLERS as u32 {
            rates.pay_at(Whose::at(Ipv4Addr::from(number).into()), 1, 1_000).unwrap();
        }
        assert!(seconds(rates.pay_at(token("two"), 1, 1)) > 900);
    }

    #[test]
    fn who_is_given_no_rate_has_none() {
        Rates::new(Some(1)).pay(1_000_000).unwrap();
    }
}
