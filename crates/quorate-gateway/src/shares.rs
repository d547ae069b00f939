use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::access::Needs;
use crate::limits::LEFT_BY_SUBMITS;
use crate::whose::Whose;

/// How many requests of each caller are in flight, those that wait for a job included, each until its client has taken all of the
/// answer.
#[derive(Clone, Debug)]
pub(crate) struct Shares {
    /// That one caller may have.
    most: usize,
    taken: Arc<Mutex<HashMap<Whose, usize>>>,
}

/// One request of a caller's share, until it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    shares: Shares,
    whose: Whose,
}

impl Shares {
    pub(crate) fn new(most: usize) -> Shares {
        Shares { most, taken: Arc::default() }
    }

    /// One more request of this caller, if its share has room: what brings jobs leaves some to what touches and ends them.
    pub(crate) fn take(&self, whose: Whose, needs: Needs) -> Option<Share> {
        let left = if needs == Needs::SUBMIT { self.most / LEFT_BY_SUBMITS } else { 0 };
        let mut all = self.taken.lock();
        // One that has none has room.
        if all.get(&whose).is_some_and(|taken| *taken >= self.most - left) {
            return None;
        }
        *all.entry(whose.clone()).or_default() += 1;
        drop(all);
        Some(Share { shares: self.clone(), whose })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut all = self.shares.taken.lock();
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
        let shares = Shares::new(16);
        let at = |address: &str| Whose::at(address.parse().unwrap());
        let (one, other) = (at("10.0.0.1"), at("10.0.0.2"));
        let mut all: Vec<Share> = std::iter::from_fn(|| shares.take(one.clone(), Needs::SUBMIT)).collect();
        assert_eq!(all.len(), 14);
        all.extend(std::iter::from_fn(|| shares.take(one.clone(), Needs::RUN)));
        assert_eq!(all.len(), 16, "what ends jobs has some left");
        assert!(shares.take(at("::ffff:10.0.0.1"), Needs::RUN).is_none(), "it is the same");
        assert!(shares.take(other, Needs::SUBMIT).is_some());
        assert!(shares.take(Whose::Token("a".into()), Needs::SUBMIT).is_some());
        all.pop();
        assert!(shares.take(one, Needs::RUN).is_some());
        drop(all);
        assert_eq!(shares.taken.lock().len(), 0, "nothing is left of who is gone");
        assert_eq!(at("2001:db8::1"), at("2001:db8::ffff:2"));
        assert_ne!(at("2001:db8::1"), at("2001:db8:0:1::1"));
    }
}
