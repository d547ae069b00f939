use std::sync::Arc;
use std::thread::available_parallelism;

use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

use crate::callers::Callers;
use crate::limits::{HEAVY_AT_ONCE, SMALL_BYTES};
use crate::whose::Behalf;

/// Work that keeps a processor busy: understanding a large body, reading and writing a large answer. It is done aside, little
/// of it at a time, so that the threads that Raft runs on, and processors to run them, are there for heartbeats.
///
/// Of each caller one piece stands in line with the others': so many as he has, everybody else waits for one of them.
#[derive(Debug)]
pub(crate) struct Heavy {
    permits: Arc<Semaphore>,
    firsts: Arc<Callers<Mutex<()>>>,
}

impl Heavy {
    pub(crate) fn new() -> Heavy {
        let processors = available_parallelism().map_or(1, usize::from);
        Heavy::of((processors / 2).clamp(1, HEAVY_AT_ONCE))
    }

    fn of(permits: usize) -> Heavy {
        Heavy { permits: Arc::new(Semaphore::new(permits)), firsts: Callers::new() }
    }

    /// Waits for a permit, which lasts until it is dropped. First come, first served, among one caller's pieces and among the
    /// first of each.
    pub(crate) async fn permit(&self) -> OwnedSemaphorePermit {
        let own = Behalf::now().map(|behalf| self.firsts.of(behalf.whose, Mutex::default));
        let _first = match &own {
            Some(own) => Some(own.lock().await),
            None => None,
        };
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
        done(tokio::task::spawn_blocking(work)).await
    }

    /// The same for work on so many bytes: at once, if they are few.
    pub(crate) async fn run_on<T: Send + 'static>(
        &self,
        bytes: usize,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        if bytes <= SMALL_BYTES { work() } else { self.run(work).await }
    }

    /// The same for work that others do aside.
    pub(crate) async fn wait_for<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> T {
        let permit = self.permit().await;
        let work = async move {
            let done = work.await;
            drop(permit);
            done
        };
        done(tokio::spawn(work)).await
    }
}

async fn done<T>(work: JoinHandle<T>) -> T {
    match work.await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime ends, and this with it.
            Err(_cancelled) => std::future::pending().await,
        },
    }
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;

    use super::*;
    use crate::whose::Whose;

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
        let heavy = Heavy::of(1);
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

    #[tokio::test]
    async fn work_that_others_do_keeps_its_permit_too() {
        let heavy = Heavy::of(1);
        let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
        let (started, has_started) = tokio::sync::oneshot::channel();
        let left = heavy.wait_for(async { (started.send(()), receiver.await) });
        tokio::select! {
            _ = left => panic!("it has not ended"),
            _ = has_started => {}
        }
        assert!(heavy.permits.try_acquire().is_err());
        drop(sender);
        drop(heavy.permit().await);
    }

    #[tokio::test]
    async fn who_has_much_to_do_lets_others_in_between() {
        let (heavy, done) = (&Heavy::of(1), &parking_lot::Mutex::new(Vec::new()));
        let work = |name: &'static str| {
            let behalf = Behalf { whose: Whose::Token(name.into()), rate: None };
            Behalf::answered(Some(behalf), async move {
                let _permit = heavy.permit().await;
                tokio::task::yield_now().await;
                done.lock().push(name);
            })
        };
        let (much, other) = (join_all((0..20).map(|_| work("much"))), work("other"));
        tokio::join!(much, other);
        assert_eq!(done.lock()[..4], ["much", "much", "other", "much"], "one is under way, one is in line");
        assert_eq!(done.lock().len(), 21);
        assert_eq!(heavy.firsts.known(), 0, "nothing is left of who is gone");
    }
}
