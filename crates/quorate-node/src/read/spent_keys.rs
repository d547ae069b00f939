use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

/// Those who wait until an Idempotency-Key stands for an answer here: they are told where this node applies the log.
///
/// A channel for each key that is waited for. To be told is to see its end: whoever waits looks then, and waits anew where
/// there is nothing.
#[derive(Clone, Default)]
pub(crate) struct SpentKeys(Arc<Mutex<HashMap<Box<str>, watch::Sender<()>>>>);

/// Waits to be told of one key.
pub(crate) struct Watched {
    keys: SpentKeys,
    key: Box<str>,
    told: watch::Receiver<()>,
}

impl SpentKeys {
    /// Hears of this key from now on. Look for it after this call: what was applied before is not told.
    pub(crate) fn watch(&self, key: &str) -> Watched {
        let mut watched = self.0.lock();
        let told = watched.entry(key.into()).or_default().subscribe();
        Watched { keys: self.clone(), key: key.into(), told }
    }

    /// These keys stand for an answer that every reader finds.
    pub(crate) fn tell(&self, keys: &[&str]) {
        if keys.is_empty() {
            return;
        }
        let mut watched = self.0.lock();
        for key in keys {
            watched.remove(*key);
        }
    }

    /// Any key may stand for an answer now.
    pub(crate) fn tell_all(&self) {
        self.0.lock().clear();
    }
}

impl Watched {
    /// Ends once this key may stand for an answer.
    pub(crate) async fn told(mut self) {
        // Nothing is ever sent.
        let _ = self.told.changed().await;
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let mut watched = self.keys.0.lock();
        // Who was told is no part of what others have begun under this key since.
        let was_told = self.told.has_changed().is_err();
        if !was_told && watched.get(&self.key).is_some_and(|told| told.receiver_count() == 1) {
            watched.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn all_who_wait_for_a_key_are_told_and_nobody_else() {
        let keys = SpentKeys::default();
        let [first, second, other] = ["k", "k", "l"].map(|key| keys.watch(key));
        keys.tell(&["k", "m"]);
        let anew = keys.watch("k");
        assert_eq!([first, second].map(|told| told.told().now_or_never()), [Some(()); 2]);
        let (mut other, mut anew) = (Box::pin(other.told()), Box::pin(anew.told()));
        assert_eq!([(&mut other).now_or_never(), (&mut anew).now_or_never()], [None; 2]);
        keys.tell_all();
        assert_eq!([other.now_or_never(), anew.now_or_never()], [Some(()); 2]);
        assert!(keys.0.lock().is_empty());
    }

    #[test]
    fn who_leaves_takes_the_key_along_unless_another_one_waits() {
        let keys = SpentKeys::default();
        let [first, second] = ["k", "k"].map(|key| keys.watch(key));
        drop(first);
        assert_eq!(keys.0.lock().len(), 1);
        drop(second);
        assert!(keys.0.lock().is_empty());
    }
}
