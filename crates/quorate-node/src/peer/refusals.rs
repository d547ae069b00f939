use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::said::Said;
use crate::limits;

/// With whom this node could not agree on a connection lately, and why: whoever asks how it is hears it. A clone is the same list.
#[derive(Clone, Default)]
pub(crate) struct Refusals(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// By address.
    all: Mutex<HashMap<String, (String, Instant)>>,
    said: Said,
}

impl Refusals {
    /// There was one at this address; the log says so.
    pub(crate) fn note(&self, addr: &str, why: String) {
        if self.0.said.is_due(addr, &why) {
            tracing::warn!(addr, "a peer cannot be spoken to: {why}");
        }
        let mut all = self.0.all.lock();
        all.retain(|_, (_, at)| at.elapsed() < limits::REFUSAL_AGE);
        all.insert(addr.to_owned(), (why, Instant::now()));
    }

    /// Nobody is there, or somebody answers.
    pub(crate) fn forget(&self, addr: &str) {
        self.0.all.lock().remove(addr);
    }

    /// Why the one at this address cannot be spoken to, if that is known.
    pub(crate) fn of(&self, addr: &str) -> Option<String> {
        let all = self.0.all.lock();
        all.get(addr).filter(|(_, at)| at.elapsed() < limits::REFUSAL_AGE).map(|(why, _)| why.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_was_long_ago_or_is_over_is_none() {
        let refusals = Refusals::default();
        refusals.note("a:1", "x".into());
        refusals.note("b:1", "y".into());
        assert_eq!(refusals.of("a:1").as_deref(), Some("x"));
        refusals.forget("a:1");
        assert_eq!(refusals.of("a:1"), None);
        assert_eq!(refusals.of("b:1").as_deref(), Some("y"));
        tokio::time::advance(limits::REFUSAL_AGE).await;
        assert_eq!(refusals.of("b:1"), None);
    }
}
