//! Who waits for a job, and whose turn it is to look for one.

mod line;
mod pairs;
mod state;
mod stock;
mod supply;
mod waiters;

use std::sync::Arc;

use parking_lot::Mutex;
use quorate_core::{Availability, QueueId, Take};
use quorate_store::planted::{Bug, planted};
use tokio::sync::oneshot;

use self::line::Line;
use self::state::State;

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
        self.0.lock().look(Line::of(take))
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
        state.clear(applied);
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
            state.remove(*queue);
        }
    }

    fn line_up(&self, take: &Take) -> (Turn, oneshot::Receiver<()>) {
        let (give, given) = oneshot::channel();
        let ticket = self.0.lock().join(Line::of(take).collect(), give);
        (Turn { turns: self.clone(), ticket }, given)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.turns.0.lock();
        if !state.leave(self.ticket) && !planted(Bug::LostTurn) {
            state.end(self.ticket);
        }
    }
}

#[cfg(test)]
mod tests;
