use std::time::Duration;

use quorate_client::{Client, Error, RefusedKind};
use tokio::time::timeout;

use crate::limits;
use crate::output::Output;
use crate::pause::Pause;

/// The log of a job while it runs, for whoever follows it, and for jobs that end without a report.
pub(crate) struct LiveLog<'a> {
    pub(crate) client: &'a Client,
    pub(crate) job_id: &'a str,
    pub(crate) output: &'a Output,
    /// How long lines are gathered before they are sent.
    pub(crate) every: Duration,
}

impl LiveLog<'_> {
    /// Sends it while `running` goes on. That its log cannot be sent does a job no harm: its end brings all that is missing.
    pub(crate) async fn during<T>(&self, running: impl Future<Output = T>) -> T {
        let mut running = std::pin::pin!(running);
        tokio::select! {
            biased;
            ended = &mut running => return ended,
            () = self.send() => {}
        }
        running.await
    }

    /// Ends where the cluster takes no more of it.
    async fn send(&self) {
        for part in 0..limits::LOG_PARTS {
            self.output.has(1).await;
            // A log has so many parts at most: the longer it grows, the more is gathered for one.
            let gather = self.every * (1 << (part / limits::LOG_PARTS_AT_A_PACE));
            let _ = timeout(gather, self.output.has(limits::LOG_PART_BYTES)).await;
            let (sent, part) = self.output.unsent();
            let offset = u32::try_from(sent).expect("a log within its limit");
            let mut pause = Pause::new();
            // The same part at the same place, until it is answered: so it is there once.
            while let Err(error) = self.client.append_log(self.job_id, offset, part.clone()).await {
                if is_final(&error) {
                    return tracing::debug!(job = self.job_id, "its log is sent at its end: {error}");
                }
                pause.take().await;
            }
            self.output.mark_sent(part.len());
        }
    }
}

fn is_final(error: &Error) -> bool {
    // Another token may take the place of this one.
    let refused = error.refused().is_some_and(|refused| refused.kind != RefusedKind::Unauthorized);
    refused || matches!(error, Error::Config(_))
}
