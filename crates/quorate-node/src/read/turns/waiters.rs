use std::collections::{BTreeMap, BTreeSet};

use quorate_core::{ImageId, QueueName};
use tokio::sync::oneshot;

use super::line::Line;

/// Who waits for a turn, by tickets: the order of their coming. Each stands in all of his lines, and leaves them at once.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    next_ticket: u64,
    waiting: BTreeMap<u64, Waiter>,
    /// Those that are not empty.
    lines: BTreeMap<Line, BTreeSet<u64>>,
}

#[derive(Debug)]
struct Waiter {
    lines: Vec<Line>,
    give: oneshot::Sender<()>,
}

impl Waiters {
    /// Somebody stands last in these lines. Gives his ticket.
    pub(super) fn join(&mut self, lines: Vec<Line>, give: oneshot::Sender<()>) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        for line in &lines {
            self.lines.entry(line.clone()).or_default().insert(ticket);
        }
        self.waiting.insert(ticket, Waiter { lines, give });
        ticket
    }

    /// Who waits no longer is in no line. `None` for one who does not wait.
    pub(super) fn leave(&mut self, ticket: u64) -> Option<oneshot::Sender<()>> {
        let Waiter { lines, give } = self.waiting.remove(&ticket)?;
        for line in &lines {
            // It may be named twice.
            let Some(tickets) = self.lines.get_mut(line) else { continue };
            tickets.remove(&ticket);
            if tickets.is_empty() {
                self.lines.remove(line);
            }
        }
        Some(give)
    }

    /// The first of all who wait for jobs of this queue, or of any, and of this image; of any, if that is `None`.
    pub(super) fn first(&self, queue: &QueueName, image: Option<ImageId>) -> Option<u64> {
        let first = |queue| self.lines.get(&Line { queue, image })?.first().copied();
        [Some(queue.clone()), None].into_iter().filter_map(first).min()
    }

    /// The images of this queue, or of any, that somebody waits for.
    pub(super) fn images(&self, queue: &QueueName) -> impl Iterator<Item = ImageId> {
        let of = |queue: Option<QueueName>| {
            let first = Line { queue: queue.clone(), image: None };
            let lines = self.lines.range(first..).map(|(line, _)| line);
            lines.take_while(move |line| line.queue == queue).filter_map(|line| line.image)
        };
        of(Some(queue.clone())).chain(of(None))
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.lines.is_empty()
    }
}
