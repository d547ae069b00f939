use quorate_client::{Client, Error};

use crate::pause::Pause;
use crate::shutdown::Shutdown;

/// Gives back what an earlier runner of this name held. An unreachable cluster is waited for.
pub(crate) async fn give_back(client: &Client, worker: &str, shutdown: &Shutdown) {
    let mut pause = Pause::new();
    loop {
        let gone = tokio::select! {
            biased;
            () = shutdown.draining() => return,
            gone = client.worker_gone(worker) => gone,
        };
        match gone {
            // One answer has all that a runner can hold. What is taken under its name meanwhile, another runner has.
            Ok(jobs) => {
                if !jobs.is_empty() {
                    tracing::info!(worker, jobs = jobs.len(), "an earlier runner's jobs are given back");
                }
                return;
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
