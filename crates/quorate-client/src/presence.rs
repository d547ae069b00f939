use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// How the nodes are, as the calls and the watch of a client find out: said once for each change.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    /// A node has taken a connection, now or once.
    reached: AtomicBool,
    /// When a write was answered last.
    answered: Mutex<Option<Instant>>,
    said: Mutex<(Said, String)>,
}

/// What was said last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Said {
    #[default]
    Well,
    NobodyIsReached,
    NobodyAnswers,
    NotReady,
}

impl Presence {
    /// A node answered a write.
    pub(crate) fn note_answered(&self) {
        *self.answered.lock().expect("nobody panics under the lock") = Some(Instant::now());
    }

    /// Whether nothing else was said last.
    pub(crate) fn is_well(&self) -> bool {
        self.said.lock().expect("nobody panics under the lock").0 == Said::Well
    }

    /// Why no node answers or none is ready, each with its reason, as it was seen last; `None` where nothing is the matter, as far as
    /// is known.
    pub(crate) fn trouble(&self) -> Option<String> {
        let said = self.said.lock().expect("nobody panics under the lock");
        (said.0 != Said::Well).then(|| said.1.clone())
    }

    /// Whether one did within this time.
    pub(crate) fn was_answered_within(&self, time: Duration) -> bool {
        let answered = *self.answered.lock().expect("nobody panics under the lock");
        answered.is_some_and(|at| at.elapsed() < time)
    }

    /// A node took a connection.
    pub(crate) fn note_reached(&self, node: &str) {
        self.reached.store(true, Ordering::Relaxed);
        if self.is_news(&[Said::NobodyIsReached], Said::Well, "") {
            tracing::info!("{node} can be reached");
        }
    }

    /// None did, in a whole round; `each` says why.
    pub(crate) fn note_nobody(&self, each: &str) {
        if self.is_news(&[Said::Well, Said::NotReady, Said::NobodyAnswers], Said::NobodyIsReached, each) {
            tracing::warn!("waiting for a node that can be reached: {each}");
        }
    }

    /// No node says whether it is ready.
    pub(crate) fn note_silence(&self, each: &str) {
        if self.is_news(&[Said::Well, Said::NotReady], Said::NobodyAnswers, each) {
            tracing::warn!("no node answers: {each}");
        }
    }

    /// Some do, and none is.
    pub(crate) fn note_not_ready(&self, each: &str) {
        if self.is_news(&[Said::Well, Said::NobodyIsReached, Said::NobodyAnswers], Said::NotReady, each) {
            tracing::warn!("nodes answer, and the cluster is not ready: {each}");
        }
    }

    /// One is.
    pub(crate) fn note_ready(&self, node: &str) {
        self.note_reached(node);
        if self.is_news(&[Said::NobodyAnswers, Said::NotReady], Said::Well, "") {
            tracing::info!("the cluster is ready: {node}");
        }
    }

    /// Whether one ever took a connection.
    pub(crate) fn was_reached(&self) -> bool {
        self.reached.load(Ordering::Relaxed)
    }

    /// Whether `now` is to be said, after one of these; `each` is why.
    fn is_news(&self, after: &[Said], now: Said, each: &str) -> bool {
        let mut said = self.said.lock().expect("nobody panics under the lock");
        let is_news = after.contains(&said.0);
        if is_news || said.0 == now {
            *said = (now, each.to_owned());
        }
        is_news
    }
}
