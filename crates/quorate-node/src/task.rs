use std::future::Future;
use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The tasks of one node. They end when the node does; one that panics ends the process, since the node cannot do
/// without it.
#[derive(Clone, Default)]
pub(crate) struct Tasks {
    stop: CancellationToken,
    tracker: TaskTracker,
}

impl Tasks {
    pub(crate) fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tracker.spawn(async move {
            let task = AssertUnwindSafe(task).catch_unwind();
            if let Some(Err(_)) = stop.run_until_cancelled(task).await {
                die(&format!("the task {name} panicked"));
            }
        });
    }

    /// Is cancelled when the tasks end.
    pub(crate) fn ended(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Ends all tasks at their next pause, and waits for that.
    pub(crate) async fn stop(&self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}

/// Ends the process: this node can promise nothing any more.
pub(crate) fn die(reason: &str) -> ! {
    tracing::error!(reason, "this node cannot go on: the process ends");
    std::process::abort()
}
