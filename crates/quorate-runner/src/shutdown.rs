use tokio_util::sync::CancellationToken;

/// Ends a runner in two steps. Clones end the same one.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    drain: CancellationToken,
    stop: CancellationToken,
}

impl Shutdown {
    /// Nothing is to end yet.
    pub fn new() -> Shutdown {
        Shutdown::default()
    }

    /// Take nothing new, and finish what runs.
    pub fn drain(&self) {
        self.drain.cancel();
    }

    /// Stop what runs too. Those jobs are given back, so that others run them at once.
    pub fn stop(&self) {
        self.drain.cancel();
        self.stop.cancel();
    }

    /// For a signal: the first one drains, the second one stops.
    pub fn signal(&self) {
        if self.drain.is_cancelled() { self.stop() } else { self.drain() }
    }

    pub(crate) async fn draining(&self) {
        self.drain.cancelled().await;
    }

    pub(crate) async fn stopping(&self) {
        self.stop.cancelled().await;
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.drain.is_cancelled()
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }
}
