use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::whose::Whose;

/// What each caller has of his own, while something of his is here.
#[derive(Debug)]
pub(crate) struct Callers<T> {
    /// With how many use it.
    all: Mutex<HashMap<Whose, (usize, Arc<T>)>>,
}

/// A caller's own, which is known until all of these are dropped.
#[derive(Debug)]
pub(crate) struct Own<T> {
    pub(crate) whose: Whose,
    own: Arc<T>,
    callers: Arc<Callers<T>>,
}

impl<T> Callers<T> {
    pub(crate) fn new() -> Arc<Callers<T>> {
        Arc::new(Callers { all: Mutex::default() })
    }

    /// This caller's; a new one, where he had none.
    pub(crate) fn of(self: &Arc<Callers<T>>, whose: Whose, new: impl FnOnce() -> T) -> Own<T> {
        let mut all = self.all.lock();
        let (users, own) = all.entry(whose.clone()).or_insert_with(|| (0, Arc::new(new())));
        *users += 1;
        Own { whose, own: Arc::clone(own), callers: Arc::clone(self) }
    }

    #[cfg(test)]
    pub(crate) fn known(&self) -> usize {
        self.all.lock().len()
    }
}

impl<T> Deref for Own<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.own
    }
}

impl<T> Drop for Own<T> {
    fn drop(&mut self) {
        let mut all = self.callers.all.lock();
        if let Some((users, _)) = all.get_mut(&self.whose) {
            *users -= 1;
            if *users == 0 {
                all.remove(&self.whose);
            }
        }
    }
}
