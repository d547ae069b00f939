use std::collections::{BTreeMap, BTreeSet};

use quorate_core::{Availability, ImageId, QueueId, QueueName, limits};

use super::line::Line;
use super::pairs::{Pair, Pairs};
use super::stock::Stock;

/// What there is to take from all queues, and how much of that is claimed by those who are on their way.
///
/// To open or to close a queue costs time for each image that waits in it, and where it is crowded for each of these of which something is
/// unclaimed, or for each that somebody waits for, whichever are fewer; everything else
/// for one, and who waits for jobs of any queue looks into all that are crowded.
#[derive(Debug)]
pub(super) struct Supply {
    /// Of the queues in which something waits or is claimed. Each word of another one says all of it.
    stocks: BTreeMap<QueueId, Stock>,
    ids: BTreeMap<QueueName, QueueId>,
    /// Those with more images than are listed. The others' are here:
    crowded: BTreeSet<QueueId>,
    /// Of which a consume would find something.
    available: Pairs,
    /// Of which it would beside all that is claimed.
    unclaimed: Pairs,
    most_listed: usize,
}

impl Default for Supply {
    fn default() -> Supply {
        Supply::listing(limits::IMAGES_LISTED)
    }
}

/// Images of a queue of which something is unclaimed.
pub(super) enum Freed {
    /// These, which may have been so before.
    Images(Vec<ImageId>),
    /// Any.
    All,
}

impl Supply {
    /// So many images of a queue, at most.
    pub(super) fn listing(most_listed: usize) -> Supply {
        Supply {
            stocks: BTreeMap::new(),
            ids: BTreeMap::new(),
            crowded: BTreeSet::new(),
            available: Pairs::default(),
            unclaimed: Pairs::default(),
            most_listed,
        }
    }

    pub(super) fn name(&self, queue: QueueId) -> Option<&QueueName> {
        self.stocks.get(&queue).map(|stock| &stock.name)
    }

    pub(super) fn is_available(&self, line: &Line) -> bool {
        self.find(&self.available, line, Stock::available).is_some()
    }

    /// Of what somebody in this line could claim a job.
    pub(super) fn unclaimed(&self, line: &Line) -> Option<Pair> {
        self.find(&self.unclaimed, line, Stock::unclaimed)
    }

    /// Whether the limits of a queue let have something beside all that is claimed.
    pub(super) fn has_unclaimed_places(&self, queue: QueueId) -> bool {
        self.stocks.get(&queue).is_some_and(|stock| stock.has_places().1)
    }

    /// The images of a queue of which more jobs wait than are claimed, whatever its limits.
    pub(super) fn unclaimed_images(&self, queue: QueueId) -> &BTreeSet<ImageId> {
        const NONE: &BTreeSet<ImageId> = &BTreeSet::new();
        self.stocks.get(&queue).map_or(NONE, Stock::unclaimed_images)
    }

    /// Somebody is on his way for a job.
    pub(super) fn claim(&mut self, (queue, image): Pair) {
        self.change(queue, vec![image], |stock| stock.claim(image));
    }

    /// He no longer is. Gives of what something is unclaimed that was not, as all that follow do.
    pub(super) fn release(&mut self, (queue, image): Pair) -> Freed {
        self.change(queue, vec![image], |stock| stock.release(image))
    }

    /// So much may be had of a queue now.
    pub(super) fn set(&mut self, now: &Availability) -> Freed {
        let Availability { queue, name, places, images } = now;
        self.stocks.entry(*queue).or_insert_with(|| Stock::new(name.clone()));
        self.ids.insert(name.clone(), *queue);
        self.change(*queue, images.iter().map(|(image, _)| *image).collect(), |stock| {
            stock.places = *places;
            for (image, waiting) in images {
                stock.put(*image, *waiting);
            }
        })
    }

    /// A queue is no more.
    pub(super) fn remove(&mut self, queue: QueueId) {
        let images = self.stocks.get(&queue).map(|stock| stock.images().collect()).unwrap_or_default();
        self.change(queue, images, Stock::clear);
    }

    /// Nothing is there any more.
    pub(super) fn clear(&mut self) {
        for queue in self.stocks.keys().copied().collect::<Vec<_>>() {
            self.remove(queue);
        }
    }

    fn find(
        &self,
        listed: &Pairs,
        line: &Line,
        of_crowded: impl Fn(&Stock, Option<ImageId>) -> Option<ImageId>,
    ) -> Option<Pair> {
        let queue = match &line.queue {
            Some(name) => Some(*self.ids.get(name)?),
            None => None,
        };
        listed.find(queue, line.image).or_else(|| {
            let mut crowded = match queue {
                Some(queue) => self.crowded.range(queue..=queue),
                None => self.crowded.range(..),
            };
            crowded.find_map(|queue| Some((*queue, of_crowded(self.stocks.get(queue)?, line.image)?)))
        })
    }

    fn change(&mut self, queue: QueueId, mut images: Vec<ImageId>, change: impl FnOnce(&mut Stock)) -> Freed {
        let Some(stock) = self.stocks.get_mut(&queue) else { return Freed::Images(Vec::new()) };
        let (before, was_crowded) = (stock.has_places(), self.crowded.contains(&queue));
        change(stock);
        let (places, is_crowded) = (stock.has_places(), stock.len() > self.most_listed);
        if is_crowded != was_crowded || !is_crowded && places != before {
            images.extend(stock.images());
        }
        images.retain(|image| {
            let (available, unclaimed) = stock.has(*image);
            self.available.set((queue, *image), available && !is_crowded);
            let is_new = self.unclaimed.set((queue, *image), unclaimed && !is_crowded);
            is_new || unclaimed && is_crowded
        });
        if is_crowded {
            self.crowded.insert(queue);
        } else {
            self.crowded.remove(&queue);
        }
        let has_opened = places.1 && !before.1;
        if stock.is_empty()
            && let Some(stock) = self.stocks.remove(&queue)
            && self.ids.get(&stock.name) == Some(&queue)
        {
            self.ids.remove(&stock.name);
        }
        if is_crowded && has_opened { Freed::All } else { Freed::Images(images) }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        let Supply { stocks, ids, crowded, available, unclaimed, most_listed: _ } = self;
        let none = Pairs::default();
        stocks.is_empty() && ids.is_empty() && crowded.is_empty() && *available == none && *unclaimed == none
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Else it would cost time for each of them to open or to close it.
    #[test]
    fn of_a_crowded_queue_no_image_is_listed() {
        let mut supply = Supply::listing(1);
        let mut set = |places, jobs: [u64; 2]| {
            let images =
                jobs.into_iter().zip(1..).map(|(jobs, image)| (ImageId([image; 16]), jobs)).collect();
            supply.set(&Availability { queue: QueueId(1), name: QueueName::DEFAULT, places, images });
            let line = Line { queue: None, image: Some(ImageId([1; 16])) };
            (supply.available != Pairs::default(), supply.is_available(&line))
        };
        assert_eq!(set(1, [1, 0]), (true, true));
        assert_eq!(set(1, [1, 1]), (false, true));
        assert_eq!(set(0, [1, 1]), (false, false));
        assert_eq!(set(1, [1, 1]), (false, true));
        assert_eq!(set(1, [1, 0]), (true, true));
    }
}
