use std::collections::{BTreeMap, BTreeSet};

use super::{At, Facts, Runs, Stay};
use crate::highest::Highest;
use crate::map::Map;
use crate::queue::QueueLimits;

/// Of jobs that were queued by a place: how late the last of them left, and which that is.
pub(crate) type Queued = Highest<At, (At, usize)>;

/// What limits a queue, and its keys; where keys are not limited, all its jobs are alike.
pub(crate) struct Keys<'s> {
    limits: QueueLimits,
    all: Runs,
    runs: Map<&'s str, Runs>,
}

impl<'s> Keys<'s> {
    /// Those of a queue with these stays.
    pub(crate) fn new(facts: &Facts<'_>, queue: &str, stays: &[&'s Stay<'s>]) -> Keys<'s> {
        let limits = facts.limits(queue);
        let keys = stays.iter().filter(|stay| limits.per_key(stay.key).is_some()).map(|stay| stay.key);
        let runs = |key| Runs::new(stays.iter().copied().filter(move |stay| stay.key == key));
        let keys: BTreeSet<&str> = keys.collect();
        let all = Runs::new(stays.iter().copied());
        Keys { limits, all, runs: keys.into_iter().map(|key| (key, runs(key))).collect() }
    }

    /// Such jobs, each key's for itself where that matters.
    pub(crate) fn queued(
        &self,
        stays: &[&'s Stay<'s>],
        such: impl Fn(&Stay<'_>) -> bool,
    ) -> Vec<(&'s str, Queued)> {
        let mut queued: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for stay in stays.iter().filter(|stay| such(stay)) {
            let key = self.limits.per_key(stay.key).map_or("", |_| stay.key);
            queued.entry(key).or_default().push((stay.ready.last, (stay.left.first, stay.life)));
        }
        queued.into_iter().map(|(key, stays)| (key, stays.into_iter().collect())).collect()
    }

    /// True where a key may have been at its limit when this job was granted.
    pub(crate) fn may_be_full(&self, key: &str, granted: &Stay<'_>) -> bool {
        let (Some(most), Some(runs)) = (self.limits.per_key(key), self.runs.get(key)) else { return false };
        runs.most(granted.left) as u64 >= u64::from(most)
    }

    /// True where the queue may have been paused or full when this job of another one was granted.
    pub(crate) fn may_be_closed(&self, granted: &Stay<'_>) -> bool {
        let full = |most| self.all.most(granted.left) as u64 >= u64::from(most);
        self.limits.paused || self.limits.max_running.is_some_and(full)
    }
}
