use std::io;
use std::sync::Arc;

use tokio::runtime::{Builder, Runtime};
use tokio_util::task::AbortOnDropHandle;

/// A thread on which a server shakes hands, and judges certificates. Whoever connects has it sign something, which may take
/// milliseconds: done where everything else is, many would keep heartbeats waiting. Here they wait for each other, and the system
/// shares the processors out. A clone is the same thread, which ends with the last one.
#[derive(Clone, Debug)]
pub struct Handshakes(Arc<Thread>);

/// Its runtime; `None` once it ends.
#[derive(Debug)]
struct Thread(Option<Runtime>);

impl Handshakes {
    /// A thread of their own.
    ///
    /// # Panics
    /// The system gives none.
    pub fn start() -> Handshakes {
        // Sockets stay with the runtime that they were made on.
        let mut thread = Builder::new_multi_thread();
        let runtime = thread.worker_threads(1).thread_name("handshakes").enable_time().build();
        Handshakes(Arc::new(Thread(Some(runtime.expect("the system gives a thread")))))
    }

    /// Does this there, from now on. Who drops what comes back gives it up.
    ///
    /// # Errors
    /// Its own, or it has panicked.
    pub fn run<T, W>(&self, work: W) -> impl Future<Output = io::Result<T>> + Send + use<T, W>
    where
        T: Send + 'static,
        W: Future<Output = io::Result<T>> + Send + 'static,
    {
        let Thread(runtime) = &*self.0;
        let runtime = runtime.as_ref().expect("it ends when nobody has it any more");
        let work = AbortOnDropHandle::new(runtime.spawn(work));
        async move { work.await? }
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        // Waiting for it would keep a thread of the other runtime.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
