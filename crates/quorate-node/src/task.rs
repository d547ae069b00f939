use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::OnceLock;

use futures::FutureExt;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::limits;

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

/// What is called before the process is aborted.
static BEFORE_ABORT: OnceLock<fn()> = OnceLock::new();

/// Calls `flush` when a node must end its process, so that the last line of the log gets out. It may take [`limits::LAST_WORDS`]
/// and no longer. The first call counts.
pub fn before_abort(flush: fn()) {
    let _ = BEFORE_ABORT.set(flush);
}

/// Ends the process: this node can promise nothing any more. What becomes of its last words changes nothing of that.
#[expect(clippy::disallowed_methods, reason = "the runtime may be stuck")]
pub(crate) fn die(reason: &str) -> ! {
    // Without a thread there are no words that could hold up the end: the log has one already.
    let _ = std::thread::Builder::new().spawn(|| {
        std::thread::sleep(limits::LAST_WORDS);
        std::process::abort()
    });
    let _ = std::panic::catch_unwind(|| {
        tracing::error!(reason, "this node cannot go on: the process ends");
        if let Some(flush) = BEFORE_ABORT.get() {
            flush();
        }
    });
    std::process::abort()
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Command, Stdio};

    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Metadata, Subscriber};

    use super::*;

    /// A log that is lost in a way that the variable names.
    struct Lost(String);

    impl Subscriber for Lost {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }

        fn record(&self, _: &Id, _: &Record<'_>) {}

        fn record_follows_from(&self, _: &Id, _: &Id) {}

        fn event(&self, _: &Event<'_>) {
            match self.0.as_str() {
                "panics" => panic!("the log is lost"),
                "blocks" => std::thread::park(),
                _ => {}
            }
        }

        fn enter(&self, _: &Id) {}

        fn exit(&self, _: &Id) {}
    }

    const LOSS: &str = "QUORATE_TEST_LOSS";

    /// What the process does that the test starts; a test of nothing otherwise.
    #[test]
    fn dies_when_it_is_told_to() {
        let Ok(loss) = std::env::var(LOSS) else { return };
        if loss == "flush panics" {
            before_abort(|| panic!("the log is lost"));
        }
        tracing::subscriber::with_default(Lost(loss), || die("a test"));
    }

    #[test]
    fn a_node_that_cannot_go_on_ends_whatever_becomes_of_its_log() {
        for loss in ["none", "panics", "blocks", "flush panics"] {
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "task::tests::dies_when_it_is_told_to", "--nocapture"])
                .env(LOSS, loss)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            assert_eq!(child.wait().unwrap().signal(), Some(6), "{loss}: it did not abort");
        }
    }
}
