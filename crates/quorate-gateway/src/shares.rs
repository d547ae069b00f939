use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::access::Needs;
use crate::limits::{REQUESTS_PER_CALLER, SUBMITS_PER_CALLER};
use crate::whose::Whose;

/// How many requests of each caller are in flight, those that wait for a job included.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shares(Arc<Mutex<HashMap<Whose, usize>>>);

/// One request of a caller's share, until it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    shares: Shares,
    whose: Whose,
}

impl Shares {
    /// One more request of this caller, if its share has room: what brings jobs leaves some to what touches and ends them.
    pub(crate) fn take(&self, whose: Whose, needs: Needs) -> Option<Share> {
        let most = if needs == Needs::SUBMIT { SUBMITS_PER_CALLER } else { REQUESTS_PER_CALLER };
        let mut all = self.0.lock();
        // One that has none has room.
        if all.get(&whose).is_some_and(|taken| *taken >= most) {
            return None;
        }
        let taken = all.entry(whose.clone()).or_default();
        *taken += 1;
        drop(all);
        Some(Share { shares: self.clone(), whose })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut all = self.shares.0.lock();
        if let Some(taken) = all.get_mut(&self.whose) {
            *taken -= 1;
            if *taken == 0 {
                all.remove(&self.whose);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_has_its_share_and_others_have_theirs() {
        let shares = Shares::default();
        let at = |address: &str| Whose::at(address.parse().unwrap());
        let (one, other) = (at("10.0.0.1"), at("10.0.0.2"));
        let mut all: Vec<Share> = std::iter::from_fn(|| shares.take(one.clone(), Needs::SUBMIT)).collect();
        assert_eq!(all.len(), SUBMITS_PER_CALLER);
        assert!(all.len() < REQUESTS_PER_CALLER);
        all.extend(std::iter::from_fn(|| shares.take(one.clone(), Needs::RUN)));
        assert_eq!(all.len(), REQUESTS_PER_CALLER, "what ends jobs has some left");
        assert!(shares.take(at("::ffff:10.0.0.1"), Needs::RUN).is_none(), "it is the same");
        assert!(shares.take(other, Needs::SUBMIT).is_some());
        assert!(shares.take(Whose::Token("a".into()), Needs::SUBMIT).is_some());
        all.pop();
        assert!(shares.take(one, Needs::RUN).is_some());
        drop(all);
        assert_eq!(shares.0.lock().len(), 0, "nothing is left of who is gone");
        assert_eq!(at("2001:db8::1"), at("2001:db8::ffff:2"));
        assert_ne!(at("2001:db8::1"), at("2001:db8:0:1::1"));
    }
}
