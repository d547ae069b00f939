use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use quorate_core::{Availability, Source, Take};
use tokio::sync::oneshot;

/// Who waits for a job at the played node, and whose turn it is.
#[derive(Clone, Default)]
pub(crate) struct Turns(Arc<Mutex<Line>>);

#[derive(Default)]
struct Line {
    available: Vec<Availability>,
    on_their_way: Vec<Take>,
    waiting: VecDeque<(Take, oneshot::Sender<Turn>)>,
}

/// See [`quorate_gateway::Wakeups::queued_turn`].
pub(crate) struct Turn {
    turns: Turns,
    take: Take,
}

/// How many jobs a consume of this kind could have.
pub(crate) fn jobs(take: &Take, available: &[Availability]) -> u64 {
    let is_meant = |queue: &&Availability| match &take.from {
        Source::InOrder(names) => names.contains(&queue.name),
        Source::ByWeight(names) => names.iter().any(|(name, _)| *name == queue.name),
        Source::All => true,
    };
    let of_queue = |queue: &Availability| {
        let images = queue.images.iter();
        let meant = images.filter(|(image, _)| take.images.is_empty() || take.images.contains(image));
        meant.map(|(_, jobs)| jobs).sum::<u64>().min(queue.places)
    };
    available.iter().filter(is_meant).map(of_queue).sum()
}

impl Turns {
    pub(crate) async fn next(&self, take: &Take) -> Turn {
        let (give, given) = oneshot::channel();
        self.change(|line| line.waiting.push_back((take.clone(), give)));
        given.await.expect("nobody is sent away")
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.0.lock().waiting.iter().filter(|(_, give)| !give.is_closed()).count()
    }

    pub(crate) fn available(&self, available: Vec<Availability>) {
        self.change(|line| line.available = available);
    }

    fn change(&self, change: impl FnOnce(&mut Line)) {
        change(&mut self.0.lock());
        while let Some((take, give)) = self.first() {
            // It ends at once where it reaches nobody.
            drop(give.send(Turn { turns: self.clone(), take }));
        }
    }

    /// Who gets a turn, if there is one to give. Those who want something else do not stand in the way.
    fn first(&self) -> Option<(Take, oneshot::Sender<Turn>)> {
        let mut line = self.0.lock();
        let place = line.waiting.iter().position(|(take, _)| {
            let before = line.on_their_way.iter().filter(|other| *other == take).count();
            (before as u64) < jobs(take, &line.available)
        })?;
        let first = line.waiting.remove(place)?;
        line.on_their_way.push(first.0.clone());
        Some(first)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.change(|line| {
            let place = line.on_their_way.iter().position(|take| *take == self.take);
            line.on_their_way.swap_remove(place.expect("a turn is on its way"));
        });
    }
}
