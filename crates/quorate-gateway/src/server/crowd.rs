use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::whose::Whose;

/// Who is connected, by address. Where there is no more room, the address with most connections loses the one over which nobody has
/// waited for anything for the longest time: so who opens many keeps nobody out, and many who share an address may have all that
/// nobody else wants.
#[derive(Debug, Default)]
pub(super) struct Crowd(Mutex<Connected>);

#[derive(Debug, Default)]
struct Connected {
    next: u64,
    addresses: HashMap<Whose, Address>,
}

#[derive(Debug, Default)]
struct Address {
    connections: usize,
    /// Those over which nobody waits, by the time since which nobody does.
    idle: BTreeMap<(Instant, u64), CancellationToken>,
}

/// A connection's place among the others, until it leaves.
#[derive(Debug)]
pub(super) struct Place {
    crowd: Arc<Crowd>,
    whose: Whose,
    id: u64,
    end: CancellationToken,
}

impl Crowd {
    /// One more from there, idle since then; `end` ends it.
    pub(super) fn enter(self: &Arc<Crowd>, whose: Whose, since: Instant, end: &CancellationToken) -> Place {
        let mut all = self.0.lock();
        let id = all.next;
        all.next += 1;
        let address = all.addresses.entry(whose.clone()).or_default();
        address.connections += 1;
        address.idle.insert((since, id), end.clone());
        Place { crowd: Arc::clone(self), whose, id, end: end.clone() }
    }

    /// Ends an idle connection in favour of one from there: not of an address that has fewer. False: there is none.
    pub(super) fn make_room_for(&self, whose: &Whose) -> bool {
        let mut all = self.0.lock();
        let own = all.addresses.get(whose).map_or(0, |address| address.connections);
        let idle = all.addresses.values_mut().filter(|address| !address.idle.is_empty());
        let first = |address: &Address| address.idle.keys().next().copied();
        let most = idle.max_by_key(|address| (address.connections, Reverse(first(address))));
        let ended = most.filter(|most| most.connections >= own).and_then(|most| most.idle.pop_first());
        ended.is_some_and(|(_, end)| {
            end.cancel();
            true
        })
    }
}

impl Place {
    /// Somebody waits for an answer; nobody had since then.
    pub(super) fn is_busy(&self, since: Instant) {
        self.change(|address| drop(address.idle.remove(&(since, self.id))));
    }

    /// Nobody does from now on.
    pub(super) fn is_idle(&self, since: Instant) {
        self.change(|address| drop(address.idle.insert((since, self.id), self.end.clone())));
    }

    /// The connection has ended.
    pub(super) fn leave(&self, since: Instant) {
        self.is_busy(since);
        self.change(|address| address.connections -= 1);
    }

    fn change(&self, change: impl FnOnce(&mut Address)) {
        let mut all = self.crowd.0.lock();
        let Some(address) = all.addresses.get_mut(&self.whose) else { return };
        change(address);
        if address.connections == 0 {
            all.addresses.remove(&self.whose);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    struct Door {
        crowd: Arc<Crowd>,
        now: Instant,
    }

    impl Door {
        fn enter(&mut self, address: &str) -> (Place, Instant) {
            self.now += Duration::from_secs(1);
            let whose = Whose::at(address.parse().unwrap());
            (self.crowd.enter(whose, self.now, &CancellationToken::new()), self.now)
        }

        fn make_room_for(&self, address: &str) -> bool {
            self.crowd.make_room_for(&Whose::at(address.parse().unwrap()))
        }
    }

    #[test]
    fn the_address_with_most_loses_the_one_that_is_idle_for_the_longest_time() {
        let mut door = Door { crowd: Arc::default(), now: Instant::now() };
        let (first, since) = door.enter("10.0.0.1");
        let many = [door.enter("10.0.0.2"), door.enter("10.0.0.2"), door.enter("10.0.0.2")];
        let ended = || many.iter().map(|(place, _)| place.end.is_cancelled()).collect::<Vec<_>>();
        many[0].0.is_busy(many[0].1);
        assert!(door.make_room_for("10.0.0.3"));
        assert_eq!(ended(), [false, true, false], "the first of them is not idle");
        many[1].0.leave(many[1].1);
        many[0].0.is_idle(door.now + Duration::from_secs(1));
        assert!(door.make_room_for("10.0.0.2"), "it may change its own");
        assert_eq!(ended(), [false, true, true], "the first of them was idle last");
        many[2].0.leave(many[2].1);
        assert!(!first.end.is_cancelled());
        many[0].0.is_busy(door.now + Duration::from_secs(1));
        assert!(door.make_room_for("10.0.0.3"), "one for one that is idle");
        assert!(first.end.is_cancelled());
        first.leave(since);
        assert!(!door.make_room_for("10.0.0.3"), "nobody is idle");
    }

    #[test]
    fn who_has_more_takes_from_nobody_who_has_less() {
        let mut door = Door { crowd: Arc::default(), now: Instant::now() };
        let few = door.enter("2001:db8::1");
        let many = [door.enter("2001:db8:0:1::1"), door.enter("2001:db8:0:1::2")];
        many.iter().for_each(|(place, since)| place.is_busy(*since));
        assert!(!door.make_room_for("2001:db8:0:1::3"), "an address of IPv6 is its network");
        assert!(!few.0.end.is_cancelled());
        for (place, since) in many.iter().chain([&few]) {
            place.leave(*since);
        }
        assert_eq!(door.crowd.0.lock().addresses.len(), 0, "nothing is left of who is gone");
    }
}
