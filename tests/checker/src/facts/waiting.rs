use super::{Facts, Keys, Queued, Stay};

/// What waits in a queue, and what may keep it back.
pub(crate) struct Waiting<'s> {
    keys: Keys<'s>,
    queued: Vec<(&'s str, Queued)>,
}

impl<'s> Waiting<'s> {
    /// Of a queue with these stays.
    pub(super) fn new(facts: &'s Facts<'_>, queue: &str, stays: &[&'s Stay<'s>]) -> Waiting<'s> {
        let keys = Keys::new(facts, queue, stays);
        let queued = keys.queued(stays, |_| true);
        Waiting { keys, queued }
    }

    /// Jobs that were queued when this one of another queue was granted, with whether they may have been kept back.
    pub(crate) fn passed(&self, stay: &Stay<'_>) -> impl Iterator<Item = (bool, usize)> {
        self.queued.iter().filter_map(|(key, queued)| {
            let (_, other) = queued.below(stay.left.first).filter(|(left, _)| *left > stay.left.last)?;
            Some((self.keys.may_be_closed(stay) || self.keys.may_be_full(key, stay), other))
        })
    }
}
