use std::collections::{BTreeMap, BTreeSet};

use super::{At, Facts, Runs, Stay};
use crate::highest::Highest;
use crate::map::Map;

/// Of jobs that were queued by a place: how late the last of them left, and which that is.
pub(crate) type Queued = Highest<At, (At, usize)>;

/// The keys of a queue that limits them; else all its jobs are alike.
pub(crate) struct Keys<'s> {
    most: Option<usize>,
    runs: Map<&'s str, Runs>,
}

impl<'s> Keys<'s> {
    /// Those of a queue with these stays.
    pub(crate) fn new(facts: &Facts<'_>, queue: &str, stays: &[&'s Stay<'s>]) -> Keys<'s> {
        let most = facts.limits(queue).max_running_per_key.and_then(|most| usize::try_from(most).ok());
        let keys = stays.iter().filter(|stay| most.is_some() && !stay.key.is_empty()).map(|stay| stay.key);
        let runs = |key| Runs::new(stays.iter().copied().filter(move |stay| stay.key == key));
        let keys: BTreeSet<&str> = keys.collect();
        Keys { most, runs: keys.into_iter().map(|key| (key, runs(key))).collect() }
    }

    /// Such jobs, each key's for itself where that matters.
    pub(crate) fn queued(
        &self,
        stays: &[&'s Stay<'s>],
        such: impl Fn(&Stay<'_>) -> bool,
    ) -> Vec<(&'s str, Queued)> {
        let mut queued: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for stay in stays.iter().filter(|stay| such(stay)) {
            let key = if self.most.is_some() { stay.key } else { "" };
            queued.entry(key).or_default().push((stay.ready.last, (stay.left.first, stay.life)));
        }
        queued.into_iter().map(|(key, stays)| (key, stays.into_iter().collect())).collect()
    }

    /// True where a key may have been at its limit when this job was granted.
    pub(crate) fn may_be_full(&self, key: &str, granted: &Stay<'_>) -> bool {
        let (Some(most), Some(runs)) = (self.most, self.runs.get(key)) else { return false };
        runs.most(granted.left) >= most
    }
}
