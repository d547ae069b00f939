use crate::QueueId;

/// Queues that a consumer would get something from. One is drawn: each is as likely as any other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Open(Vec<QueueId>);

impl Open {
    pub(super) fn put(&mut self, queue: QueueId, is_in: bool) {
        match (self.0.binary_search(&queue), is_in) {
            (Err(place), true) => self.0.insert(place, queue),
            (Ok(place), false) => drop(self.0.remove(place)),
            (Ok(_), true) | (Err(_), false) => {}
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn queues(&self) -> &[QueueId] {
        &self.0
    }
}
