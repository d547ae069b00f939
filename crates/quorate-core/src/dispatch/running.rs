use std::collections::{BTreeMap, BTreeSet};

use crate::KeysRunning;
use crate::limits::KEYS_SHOWN;

/// How many jobs of each key of a queue run, if any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Running {
    keys: BTreeMap<Box<str>, u64>,
    /// The same, by how many run.
    by_jobs: BTreeMap<u64, BTreeSet<Box<str>>>,
}

impl Running {
    pub(super) fn of(&self, key: &str) -> u64 {
        self.keys.get(key).copied().unwrap_or(0)
    }

    pub(super) fn set(&mut self, key: &str, jobs: u64) {
        let before = match jobs {
            0 => self.keys.remove(key),
            _ => self.keys.insert(key.into(), jobs),
        };
        let mut name = None;
        if let Some(before) = before
            && let Some(keys) = self.by_jobs.get_mut(&before)
        {
            name = keys.take(key);
            if keys.is_empty() {
                self.by_jobs.remove(&before);
            }
        }
        if jobs > 0 {
            self.by_jobs.entry(jobs).or_default().insert(name.unwrap_or_else(|| key.into()));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.keys.iter().map(|(key, jobs)| (&**key, *jobs))
    }

    /// How full the keys are by such a limit. Looks at no more than the keys that it gives, and at as many numbers of jobs as differ.
    pub(super) fn keys(&self, most: u32) -> KeysRunning {
        let most_first = self.by_jobs.iter().rev();
        let fullest = most_first.flat_map(|(jobs, keys)| keys.iter().map(|key| (key.clone(), *jobs)));
        KeysRunning {
            running: self.keys.len() as u64,
            full: self.by_jobs.range(u64::from(most)..).map(|(_, keys)| keys.len() as u64).sum(),
            fullest: fullest.take(KEYS_SHOWN).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fullest_keys_are_known_and_how_many_are_full() {
        let mut running = Running::default();
        for number in 0..10 {
            running.set(&format!("k{number}"), 1);
        }
        for (key, jobs) in [("k7", 2), ("k3", 3), ("k3", 2), ("k4", 5), ("k9", 0)] {
            running.set(key, jobs);
        }
        let fullest = |keys: &KeysRunning| {
            keys.fullest.iter().map(|(key, jobs)| format!("{key} {jobs}")).collect::<Vec<_>>()
        };
        let keys = running.keys(2);
        assert_eq!((keys.running, keys.full), (9, 3), "one is above a limit that was lowered");
        assert_eq!(fullest(&keys), ["k4 5", "k3 2", "k7 2", "k0 1", "k1 1"]);
        assert_eq!((running.keys(6).full, running.keys(1).full), (0, 9));
        (0..10).for_each(|number| running.set(&format!("k{number}"), 0));
        assert_eq!(running, Running::default(), "nothing is left of what ran");
    }
}
