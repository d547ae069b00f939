//! Drivers with real programs and containers, and a runner with a cluster that is played, over real sockets.

mod docker;
mod played_cluster;
mod process;
mod runner;
mod scripts;

use bytes::Bytes;
use quorate_runner::{Driver, End, Output, Work};
use tokio_util::sync::CancellationToken;

/// Waits for what must happen, and fails loudly instead of hanging when it does not.
async fn soon<T>(what: &str, happens: impl Future<Output = T>) -> T {
    let patience = std::time::Duration::from_secs(60);
    tokio::time::timeout(patience, happens).await.unwrap_or_else(|_| panic!("it did not happen: {what}"))
}

/// How a job ended, and its log.
#[derive(Debug)]
struct Finished {
    end: End,
    log: Bytes,
}

/// Starts what must start, and runs it to its end.
async fn run(driver: &dyn Driver, work: &Work, stop: &CancellationToken) -> Finished {
    let output = Output::default();
    let end = driver.start(work, &output, stop).await.expect("it starts").await;
    Finished { end, log: output.finish() }
}
