use std::collections::{BTreeMap, BTreeSet};

use quorate_core::{Availability, ImageId, QueueId, QueueName};
use tokio::sync::oneshot;

use super::Look;
use super::line::Line;
use super::pairs::Pair;
use super::supply::{Freed, Supply};
use super::waiters::Waiters;

/// Who waits, for what there is. Between two calls **nothing is unclaimed that somebody waits for.**
#[derive(Default)]
pub(super) struct State {
    pub(super) supply: Supply,
    pub(super) waiters: Waiters,
    /// What is claimed, by the tickets of those who are on their way for it.
    pub(super) claims: BTreeMap<u64, Pair>,
    /// The log index at which this is so.
    pub(super) applied: u64,
}

impl State {
    pub(super) fn look(&self, mut lines: impl Iterator<Item = Line>) -> Look {
        Look { found: lines.any(|line| self.supply.is_available(&line)), applied: self.applied }
    }

    /// Somebody comes to wait in these lines. Gives his ticket.
    pub(super) fn join(&mut self, lines: Vec<Line>, give: oneshot::Sender<()>) -> u64 {
        // He overtakes nobody: nobody waits for what is unclaimed.
        let unclaimed = lines.iter().find_map(|line| self.supply.unclaimed(line));
        let ticket = self.waiters.join(lines, give);
        if let Some(pair) = unclaimed {
            self.give_to(ticket, pair);
        }
        ticket
    }

    /// Somebody waits no longer. False for one who had his turn.
    pub(super) fn leave(&mut self, ticket: u64) -> bool {
        self.waiters.leave(ticket).is_some()
    }

    /// A turn has ended.
    pub(super) fn end(&mut self, ticket: u64) {
        let pair = self.claims.remove(&ticket).expect("who does not wait has a turn");
        let freed = self.supply.release(pair);
        self.give(pair.0, freed);
    }

    /// So much may be had of a queue now.
    pub(super) fn set(&mut self, now: &Availability) {
        let freed = self.supply.set(now);
        self.give(now.queue, freed);
    }

    /// A queue is no more.
    pub(super) fn remove(&mut self, queue: QueueId) {
        self.supply.remove(queue);
    }

    /// Nothing may be had any more, as of that log index.
    pub(super) fn clear(&mut self, applied: u64) {
        self.applied = applied;
        self.supply.clear();
    }

    /// Gives as many turns as there is something for, of a queue and of those of its images of which nothing was unclaimed
    /// before.
    fn give(&mut self, queue: QueueId, freed: Freed) {
        let Some(name) = self.supply.name(queue).cloned() else { return };
        let images = match freed {
            Freed::Images(images) if images.is_empty() => return,
            Freed::Images(images) => images,
            Freed::All => self.candidates(queue, &name),
        };
        let first = |state: &State, image| Some((state.waiters.first(&name, image)?, image));
        let images = images.into_iter().map(Some).chain([None]);
        let mut heads: BTreeSet<(u64, Option<ImageId>)> =
            images.filter_map(|image| first(self, image)).collect();
        while self.supply.has_unclaimed_places(queue)
            && let Some((ticket, image)) = heads.pop_first()
        {
            let line = Line { queue: Some(name.clone()), image };
            let Some(pair) = self.supply.unclaimed(&line) else { continue };
            // Nothing to one who had his turn for another image meanwhile.
            self.give_to(ticket, pair);
            heads.extend(first(self, image));
        }
    }

    /// The images that somebody waits for, or those of which something is unclaimed: whichever are fewer.
    fn candidates(&self, queue: QueueId, name: &QueueName) -> Vec<ImageId> {
        let unclaimed = self.supply.unclaimed_images(queue);
        let wanted: Vec<ImageId> = self.waiters.images(name).take(unclaimed.len()).collect();
        if wanted.len() < unclaimed.len() { wanted } else { unclaimed.iter().copied().collect() }
    }

    fn give_to(&mut self, ticket: u64, pair: Pair) {
        let Some(give) = self.waiters.leave(ticket) else { return };
        self.claims.insert(ticket, pair);
        self.supply.claim(pair);
        // He may be leaving, and then ends this turn.
        let _ = give.send(());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Else it would cost time for each image of the others to open a queue.
    #[test]
    fn a_crowded_queue_that_opens_goes_by_the_fewer_images() {
        let image = |number: u8| ImageId([number; 16]);
        let candidates = |waiting: u8, wanted: u8| {
            let mut state = State { supply: Supply::listing(0), ..State::default() };
            for wanted in 1..=wanted {
                let line = Line { queue: None, image: Some(image(100 + wanted)) };
                state.join(vec![line], oneshot::channel().0);
            }
            let images = (1..=waiting).map(|number| (image(number), 1)).collect();
            state.set(&Availability { queue: QueueId(1), name: QueueName::DEFAULT, places: 1, images });
            state.candidates(QueueId(1), &QueueName::DEFAULT)
        };
        assert_eq!(candidates(2, 50), [1, 2].map(image));
        assert_eq!(candidates(50, 2), [101, 102].map(image));
        assert_eq!(candidates(2, 0), []);
    }
}
