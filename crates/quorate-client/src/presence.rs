use std::sync::atomic::{AtomicBool, Ordering};

/// Whether any node takes connections, as the calls of a client find out: said once for each change.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    /// One has done so.
    reached: AtomicBool,
    /// Since then, or from the start, none does.
    gone: AtomicBool,
}

impl Presence {
    /// A node took a connection.
    pub(crate) fn note_reached(&self, node: &str) {
        self.reached.store(true, Ordering::Relaxed);
        if self.gone.swap(false, Ordering::Relaxed) {
            tracing::info!("{node} can be reached");
        }
    }

    /// None did, in a whole round; `each` says why.
    pub(crate) fn note_nobody(&self, each: &str) {
        if !self.gone.swap(true, Ordering::Relaxed) {
            tracing::warn!("waiting for a node that can be reached: {each}");
        }
    }

    /// Whether one ever did.
    pub(crate) fn was_reached(&self) -> bool {
        self.reached.load(Ordering::Relaxed)
    }
}
