use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Commands that may be under way: bounded in number and in bytes. It never makes anybody wait. What adds jobs gets seven eighths of
/// it: under a flood of new jobs, those that run can still be touched and ended.
#[derive(Clone)]
pub(crate) struct Budget {
    all: Room,
    adding: Room,
}

/// What one command holds of the budget, until it is dropped.
pub(crate) struct Permit {
    _all: Held,
    _adding: Option<Held>,
}

impl Budget {
    pub(crate) fn new(commands: usize, bytes: usize) -> Budget {
        let most = |all: usize| all - all / 8;
        Budget { all: Room::new(commands, bytes), adding: Room::new(most(commands), most(bytes)) }
    }

    /// Takes a command of `bytes` bytes, if it fits.
    pub(crate) fn take(&self, bytes: usize, adds_jobs: bool) -> Option<Permit> {
        let adding = if adds_jobs { Some(self.adding.take(bytes)?) } else { None };
        Some(Permit { _all: self.all.take(bytes)?, _adding: adding })
    }

    /// How many commands are under way.
    pub(crate) fn taken(&self) -> usize {
        self.all.size.0 - self.all.commands.available_permits()
    }
}

#[derive(Clone)]
struct Room {
    commands: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    size: (usize, usize),
}

struct Held {
    _command: OwnedSemaphorePermit,
    _bytes: OwnedSemaphorePermit,
}

impl Room {
    fn new(commands: usize, bytes: usize) -> Room {
        Room {
            commands: Arc::new(Semaphore::new(commands)),
            bytes: Arc::new(Semaphore::new(bytes)),
            size: (commands, bytes),
        }
    }

    fn take(&self, bytes: usize) -> Option<Held> {
        // One command alone always fits.
        let bytes = u32::try_from(bytes.min(self.size.1)).unwrap_or(u32::MAX);
        Some(Held {
            _command: Arc::clone(&self.commands).try_acquire_owned().ok()?,
            _bytes: Arc::clone(&self.bytes).try_acquire_many_owned(bytes).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_bounded_in_number_and_in_bytes() {
        let budget = Budget::new(2, 100);
        let first = budget.take(60, false);
        assert!(first.is_some());
        assert!(budget.take(41, false).is_none(), "too many bytes");
        let second = budget.take(40, true);
        assert!(budget.take(0, false).is_none(), "too many commands");
        assert_eq!(budget.taken(), 2);
        drop((first, second));
        assert_eq!(budget.taken(), 0);
        assert!(budget.take(1_000, true).is_some(), "alone, the largest command fits");
    }

    #[test]
    fn what_ends_jobs_finds_room_when_new_ones_have_taken_all_that_they_may() {
        let budget = Budget::new(16, 1_600);
        let flood: Vec<Permit> = std::iter::from_fn(|| budget.take(10, true)).collect();
        assert_eq!(flood.len(), 14);
        let ends: Vec<Permit> = std::iter::from_fn(|| budget.take(10, false)).collect();
        assert_eq!(ends.len(), 2);
        drop((flood, ends));
        let large = budget.take(1_400, true);
        assert!(large.is_some() && budget.take(1, true).is_none());
        assert!(budget.take(200, false).is_some());
    }
}
