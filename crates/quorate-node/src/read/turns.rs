use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use quorate_core::QueueId;
use quorate_store::planted::{Bug, planted};
use tokio::sync::oneshot;

/// Those who wait for a job to be queued. First come, first woken, one for each job; to wait costs nothing.
///
/// What always holds: **while someone waits, at least as many are on their way as jobs are queued.** Whoever is woken has a
/// [`Turn`] and is on his way until it ends. It does not matter how it ends, nor need anyone say whether he took a job:
/// what he took is queued no more, and what he left makes the next one's turn. So nothing that a caller may meet (a
/// refusal, a job that another one took, the end of its time or of its client) lets a job lie while someone waits.
///
/// And no more are woken than there is something for: a turn is given only while fewer are on their way than jobs are
/// queued. One who takes several jobs leaves others with a turn and no job; they wait again.
#[derive(Clone, Default)]
pub(crate) struct Turns(Arc<Mutex<BTreeMap<QueueId, Line>>>);

/// One queue's.
#[derive(Default)]
struct Line {
    /// Jobs that are queued.
    queued: u64,
    /// Turns that have not ended.
    on_their_way: u64,
    /// By their tickets: the order of their coming.
    waiting: BTreeMap<u64, oneshot::Sender<()>>,
    next_ticket: u64,
}

/// A caller's turn to look for a job. It ends when it is dropped: with the jobs that were taken under it gone from the queue.
/// Before it is given it is a place in the line.
pub struct Turn {
    turns: Turns,
    queue: QueueId,
    ticket: u64,
}

impl Turns {
    /// Ends when it is this caller's turn to look for a job. A caller that goes away before leaves the line, or passes on
    /// what it was just given.
    pub(crate) async fn next(&self, queue: QueueId) -> Turn {
        let (turn, given) = self.line_up(queue);
        given.await.expect("a place in the line is there until it is left");
        turn
    }

    /// So many jobs are queued, and none elsewhere, in a table that was not watched so far.
    pub(crate) fn observe(&self, queued: &BTreeMap<QueueId, u64>) {
        let mut lines = self.0.lock();
        for queue in queued.keys() {
            lines.entry(*queue).or_default();
        }
        for (queue, line) in lines.iter_mut() {
            line.queued = queued.get(queue).copied().unwrap_or(0);
            line.give();
        }
    }

    /// So many jobs more, or fewer, are queued now. Must be said whenever that changes, before whoever took them can end his
    /// turn.
    pub(crate) fn changed(&self, queue: QueueId, by: i64) {
        let mut lines = self.0.lock();
        let line = lines.entry(queue).or_default();
        line.queued = line.queued.checked_add_signed(by).expect("no job leaves a queue that it was not in");
        line.give();
    }

    fn line_up(&self, queue: QueueId) -> (Turn, oneshot::Receiver<()>) {
        let (give, given) = oneshot::channel();
        let mut lines = self.0.lock();
        let line = lines.entry(queue).or_default();
        let ticket = line.next_ticket;
        line.next_ticket += 1;
        line.waiting.insert(ticket, give);
        line.give();
        (Turn { turns: self.clone(), queue, ticket }, given)
    }
}

impl Line {
    /// Gives as many turns as there is something for.
    fn give(&mut self) {
        while self.on_their_way < self.queued
            && let Some((_, give)) = self.waiting.pop_first()
        {
            self.on_their_way += 1;
            // It may be leaving, and then ends this turn.
            let _ = give.send(());
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut lines = self.turns.0.lock();
        let line = lines.get_mut(&self.queue).expect("a line that was joined stays");
        if line.waiting.remove(&self.ticket).is_none() && !planted(Bug::LostTurn) {
            line.on_their_way -= 1;
            line.give();
        }
    }
}

#[cfg(test)]
mod tests;
