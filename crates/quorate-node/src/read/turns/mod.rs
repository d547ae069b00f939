//! Who waits for a job, and whose turn it is to look for one.

mod line;
mod pairs;
mod stock;
mod supply;
mod waiters;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::Mutex;
use quorate_core::{Availability, ImageId, QueueId, Take};
use quorate_store::planted::{Bug, planted};
use tokio::sync::oneshot;

use self::line::Line;
use self::pairs::Pair;
use self::supply::Supply;
use self::waiters::Waiters;

/// Those who wait for a job that they could have. First come, first woken, one for each job; to wait costs nothing.
///
/// What always holds: **while someone waits for jobs of a queue and an image, at least as many are on their way for them as
/// there are**, or as many for the queue as its limits let have. Whoever is woken has a [`Turn`] and is on his way until it
/// ends. It does not matter how it ends, nor need anyone say whether he took a job: what he took is there no more, and what he
/// left makes the next one's turn. So nothing that a caller may meet (a refusal, a job that another one took, or that he found
/// in another of his queues, the end of its time or of its client) lets a job lie while someone waits for it.
///
/// And no more are woken than there is something for: a turn is given for one job, which it claims, and only for one that is
/// unclaimed. One who takes several jobs leaves others with a turn and no job; they wait again.
#[derive(Clone, Default)]
pub(crate) struct Turns(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    supply: Supply,
    waiters: Waiters,
    /// What is claimed, by the tickets of those who are on their way for it.
    claims: BTreeMap<u64, Pair>,
    /// The log index at which this is so.
    applied: u64,
}

/// A caller's turn to look for a job. It ends when it is dropped: with the jobs that were taken under it gone from their
/// queues. Before it is given it is a place in the lines.
pub struct Turn {
    turns: Turns,
    ticket: u64,
}

/// What a consumer sees that looks for jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Whether a consume may find something. If not, it would find nothing.
    pub found: bool,
    /// The log index at which that was so.
    pub applied: u64,
}

impl Turns {
    /// Whether there is something for such a consumer.
    pub(crate) fn look(&self, take: &Take) -> Look {
        let state = self.0.lock();
        let found = Line::of(take).any(|line| state.supply.is_available(&line));
        Look { found, applied: state.applied }
    }

    /// Ends when it is this caller's turn to look for a job. A caller that goes away before leaves its lines, or passes on
    /// what it was just given.
    pub(crate) async fn next(&self, take: &Take) -> Turn {
        let (turn, given) = self.line_up(take);
        given.await.expect("a place in the lines is there until it is left");
        turn
    }

    /// This is all that can be had, in a table that was not watched so far.
    pub(crate) fn observe(&self, applied: u64, all: &[Availability]) {
        let mut state = self.0.lock();
        state.applied = applied;
        state.supply.clear();
        for now in all {
            state.set(now);
        }
    }

    /// The log is applied so far; of these queues another number of jobs can be had, and those are gone. Must be said before
    /// whoever took something can end his turn, and before anyone hears of that log index.
    pub(crate) fn changed(&self, applied: u64, available: &[&Availability], gone: &[QueueId]) {
        let mut state = self.0.lock();
        state.applied = applied;
        for now in available {
            state.set(now);
        }
        for queue in gone {
            state.supply.remove(*queue);
        }
    }

    fn line_up(&self, take: &Take) -> (Turn, oneshot::Receiver<()>) {
        let (give, given) = oneshot::channel();
        let lines: Vec<Line> = Line::of(take).collect();
        let mut state = self.0.lock();
        let ticket = state.waiters.ticket();
        let unclaimed = lines.iter().find_map(|line| state.supply.unclaimed(line));
        state.waiters.join(ticket, lines, give);
        // Nobody waits for what is unclaimed.
        if let Some(pair) = unclaimed {
            state.give_to(ticket, pair);
        }
        (Turn { turns: self.clone(), ticket }, given)
    }
}

impl State {
    fn set(&mut self, now: &Availability) {
        let images = self.supply.set(now);
        self.give(now.queue, images);
    }

    /// Gives as many turns as there is something for, of a queue and of those of its images of which there was nothing before.
    fn give(&mut self, queue: QueueId, images: Vec<ImageId>) {
        let Some(name) = self.supply.name(queue).filter(|_| !images.is_empty()).cloned() else { return };
        let first = |state: &State, image| Some((state.waiters.first(&name, image)?, image));
        let images = images.into_iter().map(Some).chain([None]);
        let mut heads: BTreeSet<(u64, Option<ImageId>)> =
            images.filter_map(|image| first(self, image)).collect();
        while let Some((ticket, image)) = heads.pop_first() {
            let line = Line { queue: Some(name.clone()), image };
            let Some(pair) = self.supply.unclaimed(&line) else { continue };
            // Nothing to one who had his turn for another image meanwhile.
            self.give_to(ticket, pair);
            heads.extend(first(self, image));
        }
    }

    fn give_to(&mut self, ticket: u64, pair: Pair) {
        let Some(give) = self.waiters.leave(ticket) else { return };
        self.claims.insert(ticket, pair);
        self.supply.claim(pair);
        // He may be leaving, and then ends this turn.
        let _ = give.send(());
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.turns.0.lock();
        if state.waiters.leave(self.ticket).is_some() || planted(Bug::LostTurn) {
            return;
        }
        let pair = state.claims.remove(&self.ticket).expect("who does not wait has a turn");
        let images = state.supply.release(pair);
        state.give(pair.0, images);
    }
}

#[cfg(test)]
mod tests;
