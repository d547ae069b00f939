use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Commands that may be under way: bounded in number and in bytes. It never makes anybody wait.
#[derive(Clone)]
pub(crate) struct Budget {
    commands: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    size: (usize, usize),
}

/// What one command holds of the budget, until it is dropped.
pub(crate) struct Permit {
    _command: OwnedSemaphorePermit,
    _bytes: OwnedSemaphorePermit,
}

impl Budget {
    pub(crate) fn new(commands: usize, bytes: usize) -> Budget {
        Budget {
            commands: Arc::new(Semaphore::new(commands)),
            bytes: Arc::new(Semaphore::new(bytes)),
            size: (commands, bytes),
        }
    }

    /// Takes a command of `bytes` bytes, if it fits.
    pub(crate) fn take(&self, bytes: usize) -> Option<Permit> {
        // One command alone always fits.
        let bytes = u32::try_from(bytes.min(self.size.1)).unwrap_or(u32::MAX);
        Some(Permit {
            _command: Arc::clone(&self.commands).try_acquire_owned().ok()?,
            _bytes: Arc::clone(&self.bytes).try_acquire_many_owned(bytes).ok()?,
        })
    }

    /// How many commands are under way.
    pub(crate) fn taken(&self) -> usize {
        self.size.0 - self.commands.available_permits()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_bounded_in_number_and_in_bytes() {
        let budget = Budget::new(2, 100);
        let first = budget.take(60);
        assert!(first.is_some());
        assert!(budget.take(41).is_none(), "too many bytes");
        let second = budget.take(40);
        assert!(budget.take(0).is_none(), "too many commands");
        assert_eq!(budget.taken(), 2);
        drop((first, second));
        assert_eq!(budget.taken(), 0);
        assert!(budget.take(1_000).is_some(), "alone, the largest command fits");
    }
}
