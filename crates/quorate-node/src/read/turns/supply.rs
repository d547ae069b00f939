use std::collections::BTreeMap;

use quorate_core::{Availability, ImageId, QueueId, QueueName};

use super::line::Line;
use super::pairs::{Pair, Pairs};
use super::stock::Stock;

/// What there is to take from all queues, and how much of that is claimed by those who are on their way.
///
/// To open or to close a queue costs time for each image that waits in it, everything else for one.
#[derive(Debug, Default)]
pub(super) struct Supply {
    /// Of the queues in which something waits or is claimed. Each word of another one says all of it.
    stocks: BTreeMap<QueueId, Stock>,
    ids: BTreeMap<QueueName, QueueId>,
    /// Of which a consume would find something.
    available: Pairs,
    /// Of which it would beside all that is claimed.
    unclaimed: Pairs,
}

impl Supply {
    pub(super) fn name(&self, queue: QueueId) -> Option<&QueueName> {
        self.stocks.get(&queue).map(|stock| &stock.name)
    }

    pub(super) fn is_available(&self, line: &Line) -> bool {
        self.find(&self.available, line).is_some()
    }

    /// Of what somebody in this line could claim a job.
    pub(super) fn unclaimed(&self, line: &Line) -> Option<Pair> {
        self.find(&self.unclaimed, line)
    }

    /// Somebody is on his way for a job.
    pub(super) fn claim(&mut self, (queue, image): Pair) {
        self.change(queue, vec![image], |stock| stock.claim(image));
    }

    /// He no longer is. Gives the images of the queue of which something is unclaimed that was not, as all that follow do.
    pub(super) fn release(&mut self, (queue, image): Pair) -> Vec<ImageId> {
        self.change(queue, vec![image], |stock| stock.release(image))
    }

    /// So much may be had of a queue now.
    pub(super) fn set(&mut self, now: &Availability) -> Vec<ImageId> {
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

    fn find(&self, among: &Pairs, line: &Line) -> Option<Pair> {
        let queue = match &line.queue {
            Some(name) => Some(*self.ids.get(name)?),
            None => None,
        };
        among.find(queue, line.image)
    }

    fn change(
        &mut self,
        queue: QueueId,
        mut images: Vec<ImageId>,
        change: impl FnOnce(&mut Stock),
    ) -> Vec<ImageId> {
        let Some(stock) = self.stocks.get_mut(&queue) else { return Vec::new() };
        let before = stock.has_places();
        change(stock);
        if stock.has_places() != before {
            images.extend(stock.images());
        }
        images.retain(|image| {
            let (available, unclaimed) = stock.has(*image);
            self.available.set((queue, *image), available);
            self.unclaimed.set((queue, *image), unclaimed)
        });
        if stock.is_empty()
            && let Some(stock) = self.stocks.remove(&queue)
            && self.ids.get(&stock.name) == Some(&queue)
        {
            self.ids.remove(&stock.name);
        }
        images
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        let Supply { stocks, ids, available, unclaimed } = self;
        let none = Pairs::default();
        stocks.is_empty() && ids.is_empty() && *available == none && *unclaimed == none
    }
}
