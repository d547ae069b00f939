use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::log::Log;

/// What a job writes, as it comes: its driver puts it in, its runner takes out what the cluster does not have yet.
#[derive(Debug, Default)]
pub struct Output {
    log: Mutex<Log>,
    grows: Notify,
}

impl Output {
    /// Takes more of it.
    pub fn push(&self, output: &[u8]) {
        self.log.lock().push(output);
        self.grows.notify_one();
    }

    /// The log of it: nothing, where the cluster has all of that. It is empty afterwards.
    pub fn finish(&self) -> Bytes {
        std::mem::take(&mut *self.log.lock()).finish()
    }

    /// Waits until so many bytes of it can be sent.
    pub(crate) async fn has(&self, bytes: usize) {
        while self.log.lock().unsent().1.len() < bytes {
            self.grows.notified().await;
        }
    }

    /// What can be sent, and how much has been.
    pub(crate) fn unsent(&self) -> (usize, Bytes) {
        let log = self.log.lock();
        let (sent, unsent) = log.unsent();
        (sent, Bytes::copy_from_slice(unsent))
    }

    /// So many bytes more have been sent.
    pub(crate) fn mark_sent(&self, bytes: usize) {
        self.log.lock().mark_sent(bytes);
    }
}
