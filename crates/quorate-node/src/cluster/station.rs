use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::limits;

/// What this node is to its cluster, beside what the membership says. A clone is the same one.
#[derive(Clone, Default)]
pub(crate) struct Station(Arc<Inner>);

#[derive(Default)]
struct Inner {
    removed: AtomicBool,
    applies: AtomicBool,
    draining: watch::Sender<bool>,
    leaving_until: Mutex<Option<Instant>>,
    look: Notify,
}

impl Station {
    /// It was removed from the cluster: for good, until its data directory is wiped.
    pub(crate) fn is_removed(&self) -> bool {
        self.0.removed.load(Ordering::Relaxed)
    }

    pub(crate) fn set_removed(&self) {
        self.0.removed.store(true, Ordering::Relaxed);
    }

    /// It is no member, and nobody has asked for it yet.
    pub(crate) fn applies(&self) -> bool {
        self.0.applies.load(Ordering::Relaxed)
    }

    pub(crate) fn set_applies(&self, applies: bool) {
        self.0.applies.store(applies, Ordering::Relaxed);
    }

    /// It is being drained: it neither leads, if somebody else can, nor takes long polls.
    pub(crate) fn is_draining(&self) -> bool {
        *self.0.draining.borrow()
    }

    /// True when that changes it.
    pub(crate) fn set_draining(&self, draining: bool) -> bool {
        self.0.draining.send_if_modified(|now| std::mem::replace(now, draining) != draining)
    }

    pub(crate) fn watch_draining(&self) -> watch::Receiver<bool> {
        self.0.draining.subscribe()
    }

    /// It is about to be removed: it takes no commands for a while.
    pub(crate) fn leave(&self) {
        *self.0.leaving_until.lock() = Some(Instant::now() + limits::LEAVE);
    }

    /// It takes commands: it will apply them, and so have their answers.
    pub(crate) fn takes_commands(&self) -> bool {
        !self.is_removed() && self.0.leaving_until.lock().is_none_or(|until| Instant::now() >= until)
    }

    /// Has somebody look, soon, whether this node is still a member.
    pub(crate) fn look_soon(&self) {
        self.0.look.notify_one();
    }

    /// Ends when somebody should.
    pub(crate) async fn asked_to_look(&self) {
        self.0.look.notified().await;
    }
}
