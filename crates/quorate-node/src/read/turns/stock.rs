use std::collections::{BTreeMap, BTreeSet};

use quorate_core::{ImageId, QueueName};

/// What there is to take from one queue, and how much of that is claimed.
#[derive(Debug)]
pub(super) struct Stock {
    pub(super) name: QueueName,
    /// How many more jobs may be granted, at least: those of a rate grow with time, and it is told only when they were 0 and no
    /// longer are, which is enough, since as many claims as are known of lead to the next word of them.
    pub(super) places: u64,
    /// Of all its images.
    claims: u64,
    images: BTreeMap<ImageId, Jobs>,
    /// Those of which more jobs wait than are claimed.
    unclaimed: BTreeSet<ImageId>,
}

/// Those of one image.
#[derive(Debug, Default)]
struct Jobs {
    waiting: u64,
    claims: u64,
}

impl Stock {
    pub(super) fn new(name: QueueName) -> Stock {
        Stock { name, places: 0, claims: 0, images: BTreeMap::new(), unclaimed: BTreeSet::new() }
    }

    /// So many jobs of an image wait.
    pub(super) fn put(&mut self, image: ImageId, waiting: u64) {
        self.change(image, |jobs| jobs.waiting = waiting);
    }

    /// Nothing waits any more.
    pub(super) fn clear(&mut self) {
        self.unclaimed.clear();
        self.images.retain(|_, jobs| {
            jobs.waiting = 0;
            jobs.claims > 0
        });
    }

    /// Somebody is on his way for a job.
    pub(super) fn claim(&mut self, image: ImageId) {
        self.claims += 1;
        self.change(image, |jobs| jobs.claims += 1);
    }

    /// He no longer is.
    pub(super) fn release(&mut self, image: ImageId) {
        self.claims -= 1;
        self.change(image, |jobs| jobs.claims -= 1);
    }

    /// Whether a consume would find something, and whether it would beside all that is claimed: as far as the limits of the
    /// queue decide.
    pub(super) fn has_places(&self) -> (bool, bool) {
        (self.places > 0, self.places > self.claims)
    }

    /// The same of an image.
    pub(super) fn has(&self, image: ImageId) -> (bool, bool) {
        let (any, unclaimed) = self.has_places();
        let Some(Jobs { waiting, claims }) = self.images.get(&image) else { return (false, false) };
        (any && *waiting > 0, unclaimed && waiting > claims)
    }

    /// This image, or any, where a consume would find something of it.
    pub(super) fn available(&self, image: Option<ImageId>) -> Option<ImageId> {
        let mut waiting = self.images.iter().filter(|(_, jobs)| jobs.waiting > 0);
        match image {
            Some(image) => Some(image).filter(|image| self.has(*image).0),
            None if self.has_places().0 => waiting.next().map(|(image, _)| *image),
            None => None,
        }
    }

    /// The same beside all that is claimed.
    pub(super) fn unclaimed(&self, image: Option<ImageId>) -> Option<ImageId> {
        match image {
            Some(image) => Some(image).filter(|image| self.has(*image).1),
            None => self.unclaimed.first().copied().filter(|_| self.has_places().1),
        }
    }

    /// The images of which more jobs wait than are claimed, whatever the limits of the queue.
    pub(super) fn unclaimed_images(&self) -> &BTreeSet<ImageId> {
        &self.unclaimed
    }

    /// Of how many images something waits or is claimed.
    pub(super) fn len(&self) -> usize {
        self.images.len()
    }

    /// Of which something waits or is claimed.
    pub(super) fn images(&self) -> impl Iterator<Item = ImageId> {
        self.images.keys().copied()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.images.is_empty()
    }

    fn change(&mut self, image: ImageId, change: impl FnOnce(&mut Jobs)) {
        let jobs = self.images.entry(image).or_default();
        change(jobs);
        if jobs.waiting > jobs.claims {
            self.unclaimed.insert(image);
        } else {
            self.unclaimed.remove(&image);
        }
        if jobs.waiting == 0 && jobs.claims == 0 {
            self.images.remove(&image);
        }
    }
}
