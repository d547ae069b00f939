use std::collections::HashMap;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::limits;

/// What was said lately of whom: anybody can have things said of him.
#[derive(Default)]
pub(crate) struct Said(Mutex<HashMap<(String, String), Instant>>);

impl Said {
    /// Whether this is to be said of him: the same once in [`limits::WATCH`], and not too much of all together.
    pub(crate) fn is_due(&self, of: &str, what: &str) -> bool {
        let mut all = self.0.lock();
        all.retain(|_, at| at.elapsed() < limits::WATCH);
        let key = (of.to_owned(), what.to_owned());
        if all.contains_key(&key) || all.len() >= limits::SAID {
            return false;
        }
        all.insert(key, Instant::now());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_same_of_one_is_said_once_in_a_while_and_not_too_much_of_all() {
        let said = Said::default();
        let due = |of: &str, what: &str| said.is_due(of, what);
        assert_eq!([due("a", "x"), due("a", "x"), due("b", "x"), due("a", "y")], [true, false, true, true]);
        let more = (0..limits::SAID).filter(|n| due(&n.to_string(), "x")).count();
        assert_eq!(more, limits::SAID - 3);
        tokio::time::advance(limits::WATCH).await;
        assert!(due("a", "x"));
    }
}
