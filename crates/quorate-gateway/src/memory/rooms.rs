use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::Kind;
use crate::limits::CALLERS_PART;
use crate::whose::Whose;

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
    fn part(&self) -> Rooms {
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

/// The rooms of those callers who use some, each a part of all.
#[derive(Debug)]
pub(super) struct Callers {
    part_of: Arc<Rooms>,
    /// With how many use them.
    rooms: Mutex<HashMap<Whose, (usize, Arc<Rooms>)>>,
}

impl Callers {
    pub(super) fn new(part_of: Arc<Rooms>) -> Arc<Callers> {
        Arc::new(Callers { part_of, rooms: Mutex::default() })
    }

    /// Those of this caller.
    pub(super) fn of(self: &Arc<Callers>, whose: Whose) -> Own {
        let mut all = self.rooms.lock();
        let (users, rooms) = all.entry(whose.clone()).or_insert_with(|| (0, Arc::new(self.part_of.part())));
        *users += 1;
        Own { whose, rooms: Arc::clone(rooms), callers: Arc::clone(self) }
    }

    #[cfg(test)]
    pub(super) fn known(&self) -> usize {
        self.rooms.lock().len()
    }
}

/// A caller's own rooms, which are known until all of these are dropped.
#[derive(Debug)]
pub(super) struct Own {
    pub(super) whose: Whose,
    pub(super) rooms: Arc<Rooms>,
    callers: Arc<Callers>,
}

impl Drop for Own {
    fn drop(&mut self) {
        let mut all = self.callers.rooms.lock();
        if let Some((users, _)) = all.get_mut(&self.whose) {
            *users -= 1;
            if *users == 0 {
                all.remove(&self.whose);
            }
        }
    }
}
