use std::sync::Arc;

use tokio::sync::Semaphore;

use super::Kind;
use crate::limits::CALLERS_PART;

/// Room for bytes of both kinds: all that there is, or one caller's.
#[derive(Debug)]
pub(super) struct Rooms {
    small: Room,
    large: Room,
}

/// Room for bytes of one kind.
#[derive(Debug)]
pub(super) struct Room {
    bytes: usize,
    /// A permit a byte.
    pub(super) free: Arc<Semaphore>,
}

impl Rooms {
    pub(super) fn new(small: usize, large: usize) -> Rooms {
        Rooms { small: Room::new(small), large: Room::new(large) }
    }

    pub(super) fn of(&self, kind: Kind) -> &Room {
        match kind {
            Kind::Small => &self.small,
            Kind::Large => &self.large,
        }
    }

    /// As much as one caller may have of it.
    pub(super) fn part(&self) -> Rooms {
        Rooms::new(self.small.bytes / CALLERS_PART, self.large.bytes / CALLERS_PART)
    }
}

impl Room {
    fn new(bytes: usize) -> Room {
        let bytes = bytes.min(Semaphore::MAX_PERMITS);
        Room { bytes, free: Arc::new(Semaphore::new(bytes)) }
    }

    /// What so many bytes count here: who needs more than all has all.
    pub(super) fn counted(&self, bytes: usize) -> usize {
        bytes.min(self.bytes)
    }
}
