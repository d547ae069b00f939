use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// Who waits for a job at the played node, and whose turn it is.
#[derive(Clone, Default)]
pub(crate) struct Turns(Arc<Mutex<Line>>);

#[derive(Default)]
struct Line {
    queued: usize,
    on_their_way: usize,
    waiting: VecDeque<oneshot::Sender<Turn>>,
}

/// See [`quorate_gateway::Backend::queued_turn`].
pub(crate) struct Turn(Turns);

impl Turns {
    pub(crate) async fn next(&self) -> Turn {
        let (give, given) = oneshot::channel();
        self.change(|line| line.waiting.push_back(give));
        given.await.expect("nobody is sent away")
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.0.lock().waiting.iter().filter(|give| !give.is_closed()).count()
    }

    pub(crate) fn queued(&self, jobs: usize) {
        self.change(|line| line.queued = jobs);
    }

    fn change(&self, change: impl FnOnce(&mut Line)) {
        change(&mut self.0.lock());
        while let Some(give) = self.first() {
            // It ends at once where it reaches nobody.
            drop(give.send(Turn(self.clone())));
        }
    }

    /// Who gets a turn, if there is one to give.
    fn first(&self) -> Option<oneshot::Sender<Turn>> {
        let mut line = self.0.lock();
        let first = if line.on_their_way < line.queued { line.waiting.pop_front() } else { None };
        line.on_their_way += usize::from(first.is_some());
        first
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.change(|line| line.on_their_way -= 1);
    }
}
