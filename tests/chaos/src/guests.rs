use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;
use reqwest::header::HeaderValue;

/// Clients whose token is removed in mid-run: each goes on with the next one when its own is refused.
#[derive(Debug)]
pub(crate) struct Guests(Mutex<State>);

#[derive(Debug)]
struct State {
    newest: HeaderValue,
    all: BTreeSet<u32>,
    /// Those who do not know the newest token yet.
    behind: BTreeSet<u32>,
}

impl Guests {
    pub(crate) fn new(token: HeaderValue) -> Guests {
        Guests(Mutex::new(State { newest: token, all: BTreeSet::new(), behind: BTreeSet::new() }))
    }

    /// The token that is not to be refused.
    pub(crate) fn newest(&self) -> HeaderValue {
        self.0.lock().newest.clone()
    }

    /// Gives them another token.
    pub(crate) fn offer(&self, token: HeaderValue) {
        let mut state = self.0.lock();
        (state.newest, state.behind) = (token, state.all.clone());
    }

    /// Their numbers.
    pub(crate) fn all(&self) -> Vec<u32> {
        self.0.lock().all.iter().copied().collect()
    }

    /// Those who have not been refused since there is another token.
    pub(crate) fn behind(&self) -> Vec<u32> {
        self.0.lock().behind.iter().copied().collect()
    }
}

/// One of them.
pub(crate) struct Guest {
    guests: Arc<Guests>,
    number: u32,
    token: Mutex<HeaderValue>,
}

impl Guest {
    pub(crate) fn new(guests: Arc<Guests>, number: u32) -> Guest {
        guests.0.lock().all.insert(number);
        let token = Mutex::new(guests.newest());
        Guest { guests, number, token }
    }

    /// What it sends.
    pub(crate) fn token(&self) -> HeaderValue {
        self.token.lock().clone()
    }

    /// Its token was refused: it takes the newest one.
    pub(crate) fn refused(&self) {
        let mut state = self.guests.0.lock();
        *self.token.lock() = state.newest.clone();
        state.behind.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_takes_another_token_when_its_own_is_refused_and_not_before() {
        let [old, new] = ["old", "new"].map(HeaderValue::from_static);
        let guests = Arc::new(Guests::new(old.clone()));
        let [one, three] = [1, 3].map(|number| Guest::new(Arc::clone(&guests), number));
        assert!(guests.behind().is_empty());
        guests.offer(new.clone());
        assert_eq!((one.token(), guests.behind()), (old, vec![1, 3]));
        one.refused();
        assert_eq!((one.token(), guests.behind()), (new.clone(), vec![3]));
        three.refused();
        assert_eq!((guests.newest(), guests.behind(), guests.all()), (new, vec![], vec![1, 3]));
    }
}
