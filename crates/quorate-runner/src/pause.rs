use std::time::Duration;

use crate::limits;

/// The pauses after calls that the client gave up on; they double.
#[derive(Debug)]
pub(crate) struct Pause(Duration);

impl Pause {
    pub(crate) fn new() -> Pause {
        Pause(*limits::CLUSTER_PAUSE.start())
    }

    pub(crate) async fn take(&mut self) {
        tokio::time::sleep(self.0).await;
        self.0 = (self.0 * 2).min(*limits::CLUSTER_PAUSE.end());
    }
}
