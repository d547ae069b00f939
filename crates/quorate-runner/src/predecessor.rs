use quorate_client::api::GivenBackWrapper;
use quorate_client::{Client, Error};

use crate::pause::Pause;
use crate::shutdown::Shutdown;

/// Gives back what an earlier runner of this name held. An unreachable cluster is waited for.
pub(crate) async fn give_back(client: &Client, worker: &str, shutdown: &Shutdown) {
    let (mut pause, mut held) = (Pause::new(), u64::MAX);
    loop {
        let gone = tokio::select! {
            biased;
            () = shutdown.draining() => return,
            gone = client.worker_gone(worker) => gone,
        };
        match gone {
            Ok(GivenBackWrapper { left, jobs }) => {
                if !jobs.is_empty() {
                    tracing::info!(worker, jobs = jobs.len(), "an earlier runner's jobs are given back");
                }
                if left == 0 {
                    return;
                }
                if left >= held {
                    tracing::warn!(worker, left, "another runner of this name takes jobs");
                    return;
                }
                held = left;
            }
            Err(error @ (Error::Refused(_) | Error::Config(_) | Error::Protocol(_))) => {
                tracing::warn!(worker, "an earlier runner's jobs are not given back: {error}");
                return;
            }
            Err(
                error @ (Error::Unavailable(_) | Error::Unreachable(_) | Error::Tls(_) | Error::Unknown(_)),
            ) => {
                if pause.fails_first() {
                    tracing::warn!(worker, "an earlier runner's jobs are not given back yet: {error}");
                }
                tokio::select! {
                    () = pause.take() => {}
                    () = shutdown.draining() => return,
                }
            }
        }
    }
}
