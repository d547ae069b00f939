use std::collections::{BTreeMap, BTreeSet};

use super::{At, Facts, Runs, Settings, Span, Stay};
use crate::highest::Highest;
use crate::map::Map;

/// Of jobs that were queued by a place: how late the last of them left, and which that is.
pub(crate) type Queued = Highest<At, (At, usize)>;

/// What limits a queue, and its keys; where keys are not limited, all its jobs are alike.
pub(crate) struct Keys<'s> {
    settings: &'s Settings,
    all: Runs,
    runs: Map<&'s str, Runs>,
}

impl<'s> Keys<'s> {
    /// Those of a queue with these stays.
    pub(crate) fn new(facts: &'s Facts<'_>, queue: &str, stays: &[&'s Stay<'s>]) -> Keys<'s> {
        let settings = facts.settings(queue);
        let limits = settings.tightest(Span::UNKNOWN);
        let keys = stays.iter().filter(|stay| limits.per_key(stay.key).is_some()).map(|stay| stay.key);
        let runs = |key| Runs::new(stays.iter().copied().filter(move |stay| stay.key == key));
        let keys: BTreeSet<&str> = keys.collect();
        let all = Runs::new(stays.iter().copied());
        Keys { settings, all, runs: keys.into_iter().map(|key| (key, runs(key))).collect() }
    }

    /// Such jobs, each key's for itself where that matters.
    pub(crate) fn queued(
        &self,
        stays: &[&'s Stay<'s>],
        such: impl Fn(&Stay<'_>) -> bool,
    ) -> Vec<(&'s str, Queued)> {
        let mut queued: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for stay in stays.iter().filter(|stay| such(stay)) {
            let key = if self.runs.contains_key(stay.key) { stay.key } else { "" };
            queued.entry(key).or_default().push((stay.ready.last, (stay.left.first, stay.life)));
        }
        queued.into_iter().map(|(key, stays)| (key, stays.into_iter().collect())).collect()
    }

    /// True where a key may have been at its limit when this job was granted.
    pub(crate) fn may_be_full(&self, key: &str, granted: &Stay<'_>) -> bool {
        let most = self.settings.tightest(granted.left).per_key(key);
        let (Some(most), Some(runs)) = (most, self.runs.get(key)) else { return false };
        runs.most(granted.left) as u64 >= u64::from(most)
    }

    /// True where the queue may have been paused, full, or at the end of its rate when this job of another one was granted.
    pub(crate) fn may_be_closed(&self, granted: &Stay<'_>) -> bool {
        let full = |most| self.all.most(granted.left) as u64 >= u64::from(most);
        let limits = self.settings.tightest(granted.left);
        limits.paused || limits.rate.is_some() || limits.max_running.is_some_and(full)
    }
}
