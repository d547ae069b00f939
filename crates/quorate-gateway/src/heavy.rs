use std::sync::Arc;
use std::thread::available_parallelism;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits::{HEAVY_AT_ONCE, SMALL_BYTES};

/// Work that keeps a processor busy: understanding a large body, reading and writing a large answer. It is done aside, little
/// of it at a time, so that the threads that Raft runs on, and processors to run them, are there for heartbeats.
#[derive(Debug)]
pub(crate) struct Heavy {
    permits: Arc<Semaphore>,
}

impl Heavy {
    pub(crate) fn new() -> Heavy {
        let processors = available_parallelism().map_or(1, usize::from);
        Heavy { permits: Arc::new(Semaphore::new((processors / 2).clamp(1, HEAVY_AT_ONCE))) }
    }

    /// Waits for a permit, which lasts until it is dropped. First come, first served.
    pub(crate) async fn permit(&self) -> OwnedSemaphorePermit {
        Arc::clone(&self.permits).acquire_owned().await.expect("the semaphore is never closed")
    }

    /// Does the work aside, when there is a permit.
    pub(crate) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let permit = self.permit().await;
        let work = move || {
            let done = work();
            // Not sooner, also when nobody waits for it any more.
            drop(permit);
            done
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(done) => done,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime ends, and this with it.
                Err(_cancelled) => std::future::pending().await,
            },
        }
    }

    /// The same for work on so many bytes: at once, if they are few.
    pub(crate) async fn run_on<T: Send + 'static>(
        &self,
        bytes: usize,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        if bytes <= SMALL_BYTES { work() } else { self.run(work).await }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On one thread: work that was done there would never end.
    #[tokio::test]
    async fn heavy_work_leaves_the_runtime_alone() {
        let (sender, receiver) = std::sync::mpsc::channel();
        let heavy = Heavy::new();
        let work = heavy.run(move || receiver.recv());
        let (done, ()) = tokio::join!(work, async { sender.send("done").unwrap() });
        assert_eq!(done, Ok("done"));
    }

    #[tokio::test]
    async fn work_whose_caller_has_left_keeps_its_permit() {
        let heavy = Heavy { permits: Arc::new(Semaphore::new(1)) };
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        let (started, has_started) = tokio::sync::oneshot::channel();
        let left = heavy.run(move || (started.send(()), receiver.recv()));
        tokio::select! {
            _ = left => panic!("it has not ended"),
            _ = has_started => {}
        }
        assert!(heavy.permits.try_acquire().is_err());
        drop(sender);
        drop(heavy.permit().await);
    }
}
