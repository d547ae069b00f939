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
    waits_for: Mutex<Option<String>>,
    applies: AtomicBool,
    asks: Mutex<Option<String>>,
    draining: AtomicBool,
    ends_waits: watch::Sender<bool>,
    yields_until: Mutex<Option<Instant>>,
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
        // Whoever waits here would wait for ever.
        self.0.ends_waits.send_replace(true);
    }

    /// It is no member, and waits for somebody to do something: [`Station::waits_for`] says what, as it is now.
    pub(crate) fn applies(&self) -> bool {
        self.0.applies.load(Ordering::Relaxed)
    }

    pub(crate) fn set_applies(&self, applies: bool) {
        self.0.applies.store(applies, Ordering::Relaxed);
    }

    /// The cluster that it asks to join. Nothing on its disk says so before it is taken in.
    pub(crate) fn asks(&self) -> Option<String> {
        self.0.asks.lock().clone()
    }

    pub(crate) fn set_asks(&self, cluster_id: Option<String>) {
        *self.0.asks.lock() = cluster_id;
    }

    /// What it waits for while it is no voter yet, whoever it may come from.
    pub(crate) fn waits_for(&self) -> Option<String> {
        self.0.waits_for.lock().clone()
    }

    pub(crate) fn set_waits_for(&self, what: Option<String>) {
        *self.0.waits_for.lock() = what;
    }

    /// It is being drained: it neither leads, if somebody else can, nor takes long polls.
    pub(crate) fn is_draining(&self) -> bool {
        self.0.draining.load(Ordering::Relaxed)
    }

    /// True when that changes it.
    pub(crate) fn set_draining(&self, draining: bool) -> bool {
        let changes = self.0.draining.swap(draining, Ordering::Relaxed) != draining;
        self.0.ends_waits.send_replace(draining || self.is_removed());
        changes
    }

    /// Follows whether it takes leave of those who wait: it is being drained, or was removed.
    pub(crate) fn watch_waits(&self) -> watch::Receiver<bool> {
        self.0.ends_waits.subscribe()
    }

    /// It is about to be removed, and gives the leadership away: nobody gives it back for a while.
    pub(crate) fn yield_leadership(&self) {
        *self.0.yields_until.lock() = Some(Instant::now() + limits::LEAVE);
    }

    pub(crate) fn yields(&self) -> bool {
        self.0.yields_until.lock().is_some_and(|until| Instant::now() < until)
    }

    /// It is about to be removed: it takes no commands for a while.
    pub(crate) fn leave(&self) {
        *self.0.leaving_until.lock() = Some(Instant::now() + limits::LEAVE);
    }

    /// It was removed, or waits to be asked for: it applies nothing.
    pub(crate) fn is_no_member(&self) -> bool {
        self.is_removed() || self.applies()
    }

    /// It takes commands: it will apply them, and so have their answers.
    pub(crate) fn takes_commands(&self) -> bool {
        !self.is_no_member() && self.0.leaving_until.lock().is_none_or(|until| Instant::now() >= until)
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
