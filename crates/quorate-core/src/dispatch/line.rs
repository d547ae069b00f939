use std::collections::{BTreeMap, BTreeSet};

use super::Lane;
use super::rank::{Rank, Turn, Waiting};
use super::running::Running;
use crate::{ImageId, Priority, Queue, QueueView, Timestamp};

/// A queue with what waits in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) queue: Queue,
    ranks: [Rank; 3],
    /// How many jobs of a key run.
    pub(super) running: Running,
    /// The first jobs of all lanes: since when they wait.
    firsts: BTreeMap<u64, Timestamp>,
    /// How many jobs of an image wait, of each lane no more than its key has room for.
    grantable: BTreeMap<ImageId, u64>,
    /// Whether a consumer would get something.
    pub(super) open: bool,
    /// Whether it is found by its images then.
    pub(super) listed: bool,
    /// When it would, where only its rate is in the way.
    pub(super) refill: Option<Timestamp>,
}

impl Line {
    pub(super) fn new(queue: Queue) -> Line {
        Line {
            queue,
            ranks: Default::default(),
            running: Running::default(),
            firsts: BTreeMap::new(),
            grantable: BTreeMap::new(),
            open: false,
            listed: false,
            refill: None,
        }
    }

    pub(super) fn rank(&self, priority: Priority) -> &Rank {
        &self.ranks[usize::from(priority.get())]
    }

    fn rank_mut(&mut self, priority: Priority) -> &mut Rank {
        &mut self.ranks[usize::from(priority.get())]
    }

    /// The lane that is next, whatever the limits of the queue, and whose turn that is.
    pub(super) fn next(&self, images: &[ImageId]) -> Option<(Lane, Turn)> {
        Priority::SERVED.into_iter().find_map(|priority| {
            let (key, image, turn) = self.rank(priority).next(images)?;
            Some((Lane { queue: self.queue.id, priority, image, key: key.into() }, turn))
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

    /// Of how many images something can be had, as far as its keys decide.
    pub(super) fn images_grantable(&self) -> usize {
        self.grantable.len()
    }

    pub(super) fn lanes_of_key(&self, key: &str) -> usize {
        self.ranks.iter().map(|rank| rank.lanes_of_key(key)).sum()
    }

    /// Since when the job waits that waits longest.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        self.firsts.first_key_value().map(|(_, since)| *since)
    }

    /// As readers see it.
    pub(super) fn view(&self) -> QueueView {
        let keys = self.queue.settings.max_running_per_key.map(|most| self.running.keys(most));
        QueueView { queue: self.queue.clone(), oldest: self.oldest(), keys }
    }

    /// A lane is like that now; `None`: it is empty. What always holds: exactly the keys at their limits are blocked.
    pub(super) fn set(
        &mut self,
        priority: Priority,
        key: &str,
        image: ImageId,
        before: Option<Waiting>,
        after: Option<Waiting>,
    ) {
        if before.map(|before| before.first) != after.map(|after| after.first) {
            if let Some(before) = before {
                self.firsts.remove(&before.first);
            }
            if let Some(after) = after {
                self.firsts.insert(after.first, after.since);
            }
        }
        let room = self.room(key);
        self.rank_mut(priority).set(key, image, after, room == 0);
        let jobs = |waiting: Option<Waiting>| waiting.map_or(0, |waiting| waiting.jobs).min(room);
        self.count(image, jobs(before), jobs(after));
    }

    pub(super) fn serve_lane(&mut self, priority: Priority, key: &str, image: ImageId, at: u64) {
        self.rank_mut(priority).serve_lane(key, image, at);
    }

    pub(super) fn serve_key(&mut self, priority: Priority, key: &str, at: u64) {
        self.rank_mut(priority).serve_key(key, at);
    }

    /// How many more jobs of a key may run; `u64::MAX` where nothing limits it.
    pub(super) fn room(&self, key: &str) -> u64 {
        self.room_by(self.queue.settings.max_running_per_key, key)
    }

    /// The same by another limit.
    pub(super) fn room_by(&self, max_running_per_key: Option<u32>, key: &str) -> u64 {
        let Some(most) = max_running_per_key.filter(|_| !key.is_empty()) else { return u64::MAX };
        u64::from(most).saturating_sub(self.running.of(key))
    }

    /// The keys of all that waits.
    pub(super) fn keys(&self) -> BTreeSet<Box<str>> {
        self.ranks.iter().flat_map(Rank::lanes).map(|(key, ..)| key.into()).collect()
    }

    /// A key has another room than before. Gives the images of its jobs of which another number can be had now.
    pub(super) fn room_changed(&mut self, key: &str, before: u64) -> Vec<ImageId> {
        let now = self.room(key);
        let mut changed = Vec::new();
        for priority in Priority::SERVED {
            if now == before {
                break;
            }
            let images = self.rank(priority).images_of(key);
            if (now == 0) != (before == 0) {
                self.rank_mut(priority).block(key, now == 0);
            }
            for (image, jobs) in images {
                if jobs.min(before) != jobs.min(now) {
                    self.count(image, jobs.min(before), jobs.min(now));
                    changed.push(image);
                }
            }
        }
        changed
    }

    fn count(&mut self, image: ImageId, less: u64, more: u64) {
        let jobs = self.grantable.entry(image).or_default();
        *jobs = *jobs - less + more;
        if *jobs == 0 {
            self.grantable.remove(&image);
        }
    }
}
