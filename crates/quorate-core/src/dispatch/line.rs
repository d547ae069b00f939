use std::collections::BTreeMap;

use super::rank::{Rank, Waiting};
use crate::{ImageId, Priority, Queue, Timestamp};

/// A queue with what waits in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) queue: Queue,
    ranks: [Rank; 3],
    /// How many jobs of a key run.
    pub(super) running: BTreeMap<Box<str>, u64>,
    /// The first jobs of all lanes: since when they wait.
    firsts: BTreeMap<u64, Timestamp>,
    /// How many jobs of an image wait whose keys are not at their limit.
    grantable: BTreeMap<ImageId, u64>,
    /// Whether a consumer would get something.
    pub(super) open: bool,
    /// When it would, where only its rate is in the way.
    pub(super) refill: Option<Timestamp>,
}

impl Line {
    pub(super) fn new(queue: Queue) -> Line {
        Line {
            queue,
            ranks: Default::default(),
            running: BTreeMap::new(),
            firsts: BTreeMap::new(),
            grantable: BTreeMap::new(),
            open: false,
            refill: None,
        }
    }

    pub(super) fn rank(&self, priority: Priority) -> &Rank {
        &self.ranks[usize::from(priority.get())]
    }

    fn rank_mut(&mut self, priority: Priority) -> &mut Rank {
        &mut self.ranks[usize::from(priority.get())]
    }

    /// The lane whose turn it is, whatever the limits of the queue.
    pub(super) fn next(&self, images: &[ImageId]) -> Option<(Priority, &str, ImageId)> {
        Priority::SERVED.into_iter().find_map(|priority| {
            let (key, image) = self.rank(priority).next(images)?;
            Some((priority, key, image))
        })
    }

    pub(super) fn grantable(&self, image: ImageId) -> u64 {
        self.grantable.get(&image).copied().unwrap_or(0)
    }

    pub(super) fn images(&self) -> impl Iterator<Item = (ImageId, u64)> {
        self.grantable.iter().map(|(image, jobs)| (*image, *jobs))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.firsts.is_empty()
    }

    pub(super) fn has_grantable(&self) -> bool {
        !self.grantable.is_empty()
    }

    /// Since when the job waits that waits longest.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        self.firsts.first_key_value().map(|(_, since)| *since)
    }

    /// A lane is like that now; `None`: it is empty. What always holds: exactly the keys at their limits are blocked.
    pub(super) fn set(&mut self, priority: Priority, key: &str, image: ImageId, waiting: Option<Waiting>) {
        let before = self.rank(priority).lane(key, image);
        if before.map(|before| before.first) != waiting.map(|after| after.first) {
            if let Some(before) = before {
                self.firsts.remove(&before.first);
            }
            if let Some(after) = waiting {
                self.firsts.insert(after.first, after.since);
            }
        }
        let blocked = self.is_at_limit(key);
        self.rank_mut(priority).set(key, image, waiting, blocked);
        if !blocked {
            let jobs = |waiting: Option<Waiting>| waiting.map_or(0, |waiting| waiting.jobs);
            self.count(image, jobs(before), jobs(waiting));
        }
    }

    pub(super) fn serve(&mut self, priority: Priority, key: &str, image: ImageId, at: u64) {
        self.rank_mut(priority).serve(key, image, at);
    }

    pub(super) fn serve_key(&mut self, priority: Priority, key: &str, at: u64) {
        self.rank_mut(priority).serve_key(key, at);
    }

    /// Looks whether a key is at its limit. Gives the images of its jobs where that has changed.
    pub(super) fn check_limit(&mut self, key: &str) -> Vec<ImageId> {
        let blocked = self.is_at_limit(key);
        let mut changed = Vec::new();
        for priority in Priority::SERVED {
            if self.rank(priority).is_blocked(key) == blocked {
                continue;
            }
            let images = self.rank(priority).images_of(key);
            self.rank_mut(priority).block(key, blocked);
            for (image, jobs) in images {
                if blocked {
                    self.count(image, jobs, 0)
                } else {
                    self.count(image, 0, jobs)
                }
                changed.push(image);
            }
        }
        changed
    }

    fn is_at_limit(&self, key: &str) -> bool {
        let Some(most) = self.queue.settings.max_running_per_key.filter(|_| !key.is_empty()) else {
            return false;
        };
        self.running.get(key).copied().unwrap_or(0) >= u64::from(most)
    }

    fn count(&mut self, image: ImageId, less: u64, more: u64) {
        let jobs = self.grantable(image) - less + more;
        if jobs == 0 {
            self.grantable.remove(&image);
        } else {
            self.grantable.insert(image, jobs);
        }
    }
}
