use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use quorate_core::{Answered, Unavailable};

/// Whether writes are in doubt at this node: the last one that should have been answered was not. A majority that follows the leader
/// does not show that entries reach it.
#[derive(Clone, Default)]
pub(crate) struct Doubt(Arc<AtomicBool>);

impl Doubt {
    /// How a write ended.
    pub(crate) fn heard(&self, answered: &Result<Answered, Unavailable>) {
        match answered {
            Ok(_) => self.0.store(false, Ordering::Relaxed),
            Err(Unavailable::NotApplied | Unavailable::Unknown) => self.0.store(true, Ordering::Relaxed),
            // They say nothing of the log.
            Err(
                Unavailable::Overloaded
                | Unavailable::DiskFull
                | Unavailable::NotUnderstood
                | Unavailable::NotMember
                | Unavailable::Stopping,
            ) => {}
        }
    }

    pub(crate) fn is_there(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
