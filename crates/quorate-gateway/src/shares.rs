use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use parking_lot::Mutex;

/// Whose request it is, where no caller gets all the room that there is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Whose {
    /// His who has the token of this name, wherever he is.
    Token(Arc<str>),
    /// Of one without, at this address: of IPv6, of its network, of which one has all addresses.
    Address(IpAddr),
}

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

impl Whose {
    pub(crate) fn at(address: IpAddr) -> Whose {
        Whose::Address(match address {
            IpAddr::V6(address) => match address.to_ipv4_mapped() {
                Some(address) => IpAddr::V4(address),
                None => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
            },
            IpAddr::V4(_) => address,
        })
    }
}

impl Shares {
    pub(crate) fn new(most: usize) -> Shares {
        Shares { most, taken: Arc::default() }
    }

    /// One more request of this caller, if its share has room.
    pub(crate) fn take(&self, whose: Whose) -> Option<Share> {
        let mut all = self.taken.lock();
        // One that has none has room.
        if all.get(&whose).is_some_and(|taken| *taken >= self.most) {
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
        let shares = Shares::new(3);
        let at = |address: &str| Whose::at(address.parse().unwrap());
        let (one, other) = (at("10.0.0.1"), at("10.0.0.2"));
        let mut all: Vec<Share> = std::iter::from_fn(|| shares.take(one.clone())).collect();
        assert_eq!(all.len(), 3);
        assert!(shares.take(at("::ffff:10.0.0.1")).is_none(), "it is the same");
        assert!(shares.take(other).is_some() && shares.take(Whose::Token("a".into())).is_some());
        all.pop();
        assert!(shares.take(one).is_some());
        drop(all);
        assert_eq!(shares.taken.lock().len(), 0, "nothing is left of who is gone");
        assert_eq!(at("2001:db8::1"), at("2001:db8::ffff:2"));
        assert_ne!(at("2001:db8::1"), at("2001:db8:0:1::1"));
    }
}
