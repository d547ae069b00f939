use std::sync::Arc;

use crate::StoreError;
use crate::limits::FULL_DISK_ATTEMPTS;

/// What the store calls each time that the disk had no room for a write, before it waits and tries again.
pub type OnFull = Arc<dyn Fn(&StoreError) -> WhenFull + Send + Sync>;

/// What is to be done about a write that the disk had no room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// There is no room yet: wait.
    Wait,
    /// There is room: the next attempts should succeed.
    Room,
    /// The node ends: the write is given up.
    GiveUp,
}

/// A write that the disk has no room for is made again when there is some.
///
/// Nothing is lost by that: RocksDB takes a write that failed neither into memory nor, once it goes on, into its
/// write-ahead log; it puts what it has in memory into table files and begins another one. No failed sync is ever
/// repeated.
pub(crate) struct Patience {
    on_full: OnFull,
    /// What is being attempted, once it had to wait.
    waits: Option<&'static str>,
    /// Attempts that failed although there was room.
    in_vain: u32,
}

impl Patience {
    pub(crate) fn new(on_full: &OnFull) -> Patience {
        Patience { on_full: Arc::clone(on_full), waits: None, in_vain: 0 }
    }

    /// Whether the write is to be made again, after a [`crate::limits::FULL_DISK_PAUSE`].
    pub(crate) fn bears(&mut self, error: &StoreError, what: &'static str) -> bool {
        if !matches!(error, StoreError::DiskFull { .. }) {
            return false;
        }
        if self.waits.replace(what).is_none() {
            tracing::error!(%error, what, "a write waits for room");
        }
        match (self.on_full)(error) {
            WhenFull::Wait => self.in_vain = 0,
            WhenFull::Room => self.in_vain += 1,
            WhenFull::GiveUp => return false,
        }
        self.in_vain < FULL_DISK_ATTEMPTS
    }

    /// The write was made.
    pub(crate) fn done(&mut self) {
        self.in_vain = 0;
        if let Some(what) = self.waits.take() {
            tracing::info!(what, "there is room again, and the write was made");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use parking_lot::Mutex;

    use super::*;

    fn full() -> StoreError {
        StoreError::DiskFull { what: "a test".to_owned(), source: io::ErrorKind::StorageFull.into() }
    }

    fn patience(answers: &[WhenFull]) -> Patience {
        let answers = Mutex::new(answers.to_vec());
        let next = move |_: &StoreError| {
            let mut answers = answers.lock();
            if answers.len() > 1 { answers.remove(0) } else { answers[0] }
        };
        Patience::new(&(Arc::new(next) as OnFull))
    }

    #[test]
    fn it_waits_for_room_as_long_as_there_is_none() {
        let mut patience = patience(&[WhenFull::Wait]);
        assert!((0..10 * FULL_DISK_ATTEMPTS).all(|_| patience.bears(&full(), "x")));
    }

    #[test]
    fn it_ends_with_another_error_with_the_node_and_when_it_is_not_the_room() {
        assert!(!patience(&[WhenFull::Wait]).bears(&StoreError::damaged("x", "y"), "x"));
        let mut ending = patience(&[WhenFull::Wait, WhenFull::GiveUp]);
        assert!(ending.bears(&full(), "x"));
        assert!(!ending.bears(&full(), "x"));
        let mut in_vain = patience(&[WhenFull::Room]);
        assert!((1..FULL_DISK_ATTEMPTS).all(|_| in_vain.bears(&full(), "x")));
        assert!(!in_vain.bears(&full(), "x"));
    }
}
