use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use quorate_store::NodeId;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::door::Pass;
use crate::limits;

/// Who is connected, and whose place is whose: those over whose connection a member has called, and newcomers, of whom nothing is known
/// yet. Of both, who has most makes room for the others: so whoever opens many keeps nobody out, and takes no member's place.
pub(super) struct Crowd {
    /// Most members' connections, and most newcomers.
    most: (usize, usize),
    next: u64,
    places: HashMap<u64, Place>,
}

/// A connection's place.
struct Place {
    whose: Whose,
    /// A member has called over it.
    is_members: bool,
    /// Its last call, or when it was opened.
    called: Instant,
    /// When something came over it last.
    read: Instant,
    close: CancellationToken,
    pass: Pass,
}

/// By what connections are counted.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Whose {
    /// An address; of IPv6, its network of 64 bits.
    At(IpAddr),
    /// A member, by its certificate.
    Node(NodeId),
}

impl Whose {
    pub(super) fn at(addr: IpAddr) -> Whose {
        Whose::At(match addr.to_canonical() {
            IpAddr::V4(addr) => addr.into(),
            IpAddr::V6(addr) => Ipv6Addr::from_bits(addr.to_bits() >> 64 << 64).into(),
        })
    }
}

/// Members have all the connections that they may have, and all of them are in use.
#[derive(Debug, PartialEq)]
pub(super) struct Full;

impl Crowd {
    /// So many in all: a quarter of them for newcomers.
    pub(super) fn new(most: usize) -> Crowd {
        let newcomers = (most / 4).max(1);
        Crowd { most: (most - newcomers, newcomers), next: 0, places: HashMap::new() }
    }

    /// A newcomer has a place in any case. The one that loses its own is, of the address that has most of them, the one that has said
    /// nothing for the longest time.
    pub(super) fn enter(&mut self, addr: IpAddr, pass: Pass, now: Instant) -> (u64, CancellationToken) {
        let counts = self.counts(false);
        if counts.values().sum::<usize>() >= self.most.1 {
            let most = counts.values().copied().max();
            self.close_first(
                |place| !place.is_members && counts.get(&place.whose).copied() == most,
                |place| place.called,
            );
        }
        let (id, close) = (self.next, CancellationToken::new());
        self.next += 1;
        let (whose, close_it) = (Whose::at(addr), close.clone());
        let place = Place { whose, is_members: false, called: now, read: now, close: close_it, pass };
        self.places.insert(id, place);
        (id, close)
    }

    /// It is a member's from now on. Where they have all they may, one goes over which nothing comes any more, or else one of the member
    /// that has most, if this one has fewer.
    pub(super) fn is_members(&mut self, id: u64, whose: Whose, now: Instant) -> Result<(), Full> {
        // One that is closed answers no more; its caller will notice.
        if self.places.get(&id).is_none_or(|place| place.is_members) {
            return Ok(());
        }
        let counts = self.counts(true);
        if counts.values().sum::<usize>() >= self.most.0 {
            let own = counts.get(&whose).copied().unwrap_or_default();
            let most = counts.values().copied().max().filter(|most| *most > own);
            let is_closed = self.close_first(|place| place.is_silent(now), |place| place.read)
                || self.close_first(
                    |place| place.is_members && most.is_some() && counts.get(&place.whose).copied() == most,
                    |place| place.read,
                );
            if !is_closed {
                return Err(Full);
            }
        }
        if let Some(place) = self.places.get_mut(&id) {
            (place.is_members, place.whose) = (true, whose);
        }
        Ok(())
    }

    /// Somebody has called over it, who may be anybody.
    pub(super) fn called(&mut self, id: u64, now: Instant) {
        if let Some(place) = self.places.get_mut(&id) {
            place.called = now;
        }
    }

    /// Something has come over it.
    pub(super) fn read(&mut self, id: u64, now: Instant) {
        if let Some(place) = self.places.get_mut(&id) {
            place.read = now;
        }
    }

    pub(super) fn leave(&mut self, id: u64) {
        self.places.remove(&id);
    }

    /// Closes what has not made a call in time, what is not there any more, and what does not stay by its pass.
    pub(super) fn close_idle(&mut self, now: Instant, mut stays: impl FnMut(&mut Pass) -> bool) {
        self.places.retain(|_, place| {
            let (since, most) = match place.is_members {
                true => (place.read, limits::PEER_SILENCE),
                false => (place.called, limits::FIRST_CALL),
            };
            let stays = now.duration_since(since) <= most && stays(&mut place.pass);
            if !stays {
                tracing::debug!(member = place.is_members, "a connection is closed");
                place.close.cancel();
            }
            stays
        });
    }

    /// How many there are of members, or of newcomers, by whose they are.
    fn counts(&self, members: bool) -> HashMap<Whose, usize> {
        let mut counts = HashMap::new();
        for place in self.places.values().filter(|place| place.is_members == members) {
            *counts.entry(place.whose).or_default() += 1;
        }
        counts
    }

    /// Closes the one of these for which that time is the earliest, if there is one.
    fn close_first(&mut self, of: impl Fn(&Place) -> bool, by: impl Fn(&Place) -> Instant) -> bool {
        let first =
            self.places.iter().filter(|(_, place)| of(place)).min_by_key(|(id, place)| (by(place), **id));
        let Some(id) = first.map(|(id, _)| *id) else { return false };
        self.places.remove(&id).inspect(|place| place.close.cancel()).is_some()
    }
}

impl Place {
    /// A member's, over which not even an answered ping has come for a while.
    fn is_silent(&self, now: Instant) -> bool {
        self.is_members && now.duration_since(self.read) > limits::UNANSWERED_PING
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Duration;

    use super::*;

    /// Room for six members' connections, and two newcomers.
    const MOST: usize = 8;

    struct Port {
        crowd: Crowd,
        now: Instant,
    }

    impl Port {
        fn new() -> Port {
            Port { crowd: Crowd::new(MOST), now: Instant::now() }
        }

        fn enter(&mut self, addr: &str) -> (u64, CancellationToken) {
            self.now += Duration::from_millis(1);
            self.crowd.enter(addr.parse().unwrap(), Pass::default(), self.now)
        }

        /// A connection of the node of that number.
        fn member(&mut self, node: NodeId) -> (Result<(), Full>, CancellationToken) {
            let (id, close) = self.enter("10.0.0.1");
            (self.crowd.is_members(id, Whose::Node(node), self.now), close)
        }
    }

    fn closed<const N: usize>(all: [&CancellationToken; N]) -> [bool; N] {
        all.map(CancellationToken::is_cancelled)
    }

    #[test]
    fn a_newcomer_has_the_place_of_who_is_silent_longest_where_most_come_from() {
        let mut port = Port::new();
        let (_, few) = port.enter("10.0.0.1");
        let (_, first) = port.enter("2001:db8::1");
        let (talks, second) = port.enter("2001:db8::2");
        assert_eq!(closed([&few, &first]), [true, false], "all have one: the oldest goes");
        port.now += Duration::from_secs(1);
        port.crowd.called(talks - 1, port.now);
        let (_, few) = port.enter("10.0.0.1");
        assert_eq!(closed([&few, &first, &second]), [false, false, true], "of one network, the silent one");
        let (_, third) = port.enter("2001:db8::3");
        assert_eq!(closed([&few, &first, &third]), [false, true, false], "all have one again");
    }

    #[test]
    fn a_member_that_has_most_makes_room_for_one_that_has_fewer() {
        let mut port = Port::new();
        let hostile: Vec<_> = (0..6).map(|_| port.member(9)).collect();
        assert!(hostile.iter().all(|(called, _)| called.is_ok()));
        assert_eq!(port.member(9).0, Err(Full), "not for itself");
        for node in [1, 1, 1] {
            assert_eq!(port.member(node).0, Ok(()));
        }
        let ended = hostile.iter().filter(|(_, close)| close.is_cancelled()).count();
        assert_eq!((ended, port.member(1).0), (3, Err(Full)), "as many as the other one");
        assert_eq!(port.member(2).0, Ok(()));
        assert_eq!(port.crowd.counts(true).values().sum::<usize>(), 6);
    }

    #[test]
    fn a_members_connection_that_is_in_use_is_closed_for_nobody_who_has_as_many() {
        let mut port = Port::new();
        let all: Vec<_> = [1, 1, 2, 2, 3, 3].map(|node| port.member(node)).into();
        let more = |port: &mut Port| {
            let (id, _) = port.enter("10.0.0.1");
            port.crowd.is_members(id, Whose::Node(1), port.now)
        };
        assert_eq!(more(&mut port), Err(Full));
        port.now += limits::UNANSWERED_PING;
        let ids: Vec<u64> =
            port.crowd.places.iter().filter(|(_, place)| place.is_members).map(|(id, _)| *id).collect();
        let silent = *ids.iter().max().unwrap();
        for id in ids.into_iter().filter(|id| *id != silent) {
            port.crowd.read(id, port.now);
        }
        assert_eq!(more(&mut port), Ok(()), "one over which nothing comes");
        assert!(all[5].1.is_cancelled());
    }

    #[test]
    fn who_says_nothing_or_has_no_pass_any_more_does_not_stay() {
        let mut port = Port::new();
        let (_, member) = port.member(1);
        let (_, newcomer) = port.enter("10.0.0.2");
        port.crowd.close_idle(port.now + limits::FIRST_CALL, |_| true);
        assert_eq!(closed([&member, &newcomer]), [false, false]);
        port.crowd.close_idle(port.now + 2 * limits::FIRST_CALL, |_| true);
        assert_eq!(closed([&member, &newcomer]), [false, true]);
        port.crowd.close_idle(port.now, |_| false);
        assert!(member.is_cancelled() && port.crowd.places.is_empty());
    }
}
