use std::{io, pin::pin, time::Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};
use tokio::sync::Notify;

use super::{
    queue::{Change, Flush},
    view::View,
};
use crate::{LogId, limits::LOG_QUEUE_BYTES};

/// What Raft, the readers and the writer share.
pub(super) struct Shared {
    state: Mutex<State>,
    /// Something is queued, or the end has come.
    work: Condvar,
    /// The queue was taken.
    space: Notify,
}

/// The view and the queue change together: the queue is what the disk lacks of the view.
pub(super) struct State {
    pub(super) view: View,
    queue: Flush,
    end: End,
}

/// Whether the log still takes changes.
enum End {
    Open,
    Closing,
    /// A write failed. What is in the view may not be on the disk, and never will be.
    Failed(String),
}

/// What the writer has to do.
pub(super) enum Taken {
    Flush(Flush),
    /// The time has come, and nothing else.
    Nothing,
    /// The log is closed, and everything was taken.
    End,
}

impl Shared {
    pub(super) fn new(view: View) -> Shared {
        let state = State { view, queue: Flush::default(), end: End::Open };
        Shared { state: Mutex::new(state), work: Condvar::new(), space: Notify::new() }
    }

    /// For reading, which a failed log refuses.
    pub(super) fn read(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.state.lock();
        match &state.end {
            End::Open | End::Closing => Ok(state),
            End::Failed(reason) => Err(io::Error::other(reason.as_str())),
        }
    }

    /// For changing.
    pub(super) fn change(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.read()?;
        match state.end {
            End::Open => Ok(state),
            End::Closing | End::Failed(_) => Err(io::Error::other("the log is closed")),
        }
    }

    /// Queues a change that the view already has, and lets go of the state.
    pub(super) fn queue(&self, mut state: MutexGuard<'_, State>, change: Change) {
        state.queue.push(change);
        drop(state);
        self.work.notify_one();
    }

    /// Waits until the queue is below its limit, or has come to its end.
    pub(super) async fn room(&self) {
        loop {
            let mut space = pin!(self.space.notified());
            space.as_mut().enable();
            {
                let state = self.state.lock();
                if state.queue.bytes < LOG_QUEUE_BYTES || !matches!(state.end, End::Open) {
                    return;
                }
            }
            space.await;
        }
    }

    /// Waits for changes, `until` a moment at most, and takes all there are.
    pub(super) fn take(&self, until: Option<Instant>) -> Taken {
        let mut state = self.state.lock();
        while state.queue.changes.is_empty() {
            match (&state.end, until) {
                (End::Closing | End::Failed(_), _) => return Taken::End,
                (End::Open, None) => self.work.wait(&mut state),
                (End::Open, Some(until)) => {
                    if self.work.wait_until(&mut state, until).timed_out() {
                        return Taken::Nothing;
                    }
                }
            }
        }
        let flush = state.take_queue();
        self.space.notify_waiters();
        Taken::Flush(flush)
    }

    /// Everything up to the append of that number can be read from the disk.
    pub(super) fn written(&self, appends: u64) {
        self.state.lock().view.tail.evict(appends);
    }

    /// The commit position.
    pub(super) fn committed(&self) -> Option<LogId> {
        self.state.lock().view.committed
    }

    /// Lets the writer write what is queued, and stop.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        if matches!(state.end, End::Open) {
            state.end = End::Closing;
        }
        drop(state);
        self.work.notify_one();
        self.space.notify_waiters();
    }

    /// Refuses everything from now on; returns what was queued.
    pub(super) fn fail(&self, reason: &str) -> Flush {
        let mut state = self.state.lock();
        state.end = End::Failed(reason.to_owned());
        let flush = state.take_queue();
        self.space.notify_waiters();
        flush
    }
}

impl State {
    fn take_queue(&mut self) -> Flush {
        let flush = std::mem::take(&mut self.queue);
        Flush { appends: self.view.appends(), committed: self.view.committed, ..flush }
    }
}
