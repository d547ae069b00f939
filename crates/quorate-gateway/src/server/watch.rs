use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// What has been handed to clients and not been taken by them yet, of all connections.
///
/// The socket of HTTP/1 tells when a client takes nothing. In HTTP/2 it does not: there a client takes signs of life and none
/// of its answers.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// In the order of handing out: when, and the connection that it went to.
    handed: Mutex<BTreeMap<u64, (Instant, CancellationToken)>>,
    next: AtomicU64,
}

impl Watch {
    /// Something is handed to a client, until the guard is dropped; `connection` is cancelled if that takes too long.
    pub(super) fn hand(self: &Arc<Watch>, connection: &CancellationToken) -> Handed {
        let place = self.next.fetch_add(1, Ordering::Relaxed);
        self.handed.lock().insert(place, (Instant::now(), connection.clone()));
        Handed { watch: Arc::clone(self), place }
    }

    /// Ends connections whose clients have taken nothing for so long.
    pub(super) fn end_stalled(&self, longest: Duration) {
        let handed = self.handed.lock();
        let stalled = handed.values().take_while(|(since, _)| since.elapsed() >= longest);
        stalled.for_each(|(_, connection)| connection.cancel());
    }

    /// Does so from time to time.
    pub(super) async fn run(&self, longest: Duration) {
        loop {
            tokio::time::sleep(longest / 8).await;
            self.end_stalled(longest);
        }
    }
}

/// See [`Watch::hand`].
#[derive(Debug)]
pub(super) struct Handed {
    watch: Arc<Watch>,
    place: u64,
}

impl Drop for Handed {
    fn drop(&mut self) {
        self.watch.handed.lock().remove(&self.place);
    }
}
