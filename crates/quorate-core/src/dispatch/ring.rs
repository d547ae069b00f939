use std::collections::BTreeSet;

use crate::QueueId;
use crate::id::mix;

/// Queues in no order: each is as likely to be the next one from a random point as any other, more or less.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ring(BTreeSet<(u64, QueueId)>);

impl Ring {
    pub(super) fn put(&mut self, queue: QueueId, is_in: bool) {
        let place = (place(queue), queue);
        if is_in {
            self.0.insert(place);
        } else {
            self.0.remove(&place);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first queue from that point on, with its distance.
    pub(super) fn from(&self, point: u64) -> Option<(u64, QueueId)> {
        let (place, queue) = self.0.range((point, QueueId(0))..).next().or_else(|| self.0.first())?;
        Some((place.wrapping_sub(point), *queue))
    }
}

fn place(queue: QueueId) -> u64 {
    mix(u64::from(queue.0).wrapping_add(0x9e37_79b9_7f4a_7c15))
}
