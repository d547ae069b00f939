use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use quorate_store::NodeId;
use tokio_util::sync::CancellationToken;
use tonic::Status;

/// What a caller has once: a new one ends the one before, of which the caller may not have noticed that it is lost.
#[derive(Clone, Default)]
pub(crate) struct Latest(Arc<Mutex<HashMap<NodeId, CancellationToken>>>);

/// A caller's turn, until it is dropped or the caller has another one.
pub(crate) struct Turn(CancellationToken);

impl Latest {
    pub(crate) fn begin(&self, caller: NodeId) -> Turn {
        let turn = CancellationToken::new();
        let mut all = self.0.lock();
        all.retain(|_, turn| !turn.is_cancelled());
        if let Some(before) = all.insert(caller, turn.clone()) {
            before.cancel();
        }
        Turn(turn)
    }

    /// Does that in a caller's turn.
    ///
    /// # Errors
    /// Its own, or the caller has begun another one.
    pub(crate) async fn only<T>(
        &self,
        caller: NodeId,
        work: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, Status> {
        let turn = self.begin(caller);
        turn.0.run_until_cancelled(work).await.unwrap_or_else(|| Err(Turn::status()))
    }
}

impl Turn {
    /// Cancelled when it is over.
    pub(crate) fn over(&self) -> CancellationToken {
        self.0.clone()
    }

    pub(crate) fn status() -> Status {
        Status::aborted("the caller has begun another one")
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use tonic::Code;

    use super::*;

    #[tokio::test]
    async fn a_new_one_ends_the_one_before_and_nobody_elses() {
        let latest = Latest::default();
        let (first, other) = (latest.begin(1), latest.begin(2));
        let (ended, done) = tokio::join!(latest.only::<()>(1, pending()), latest.only(1, ready(Ok(7))));
        assert!(first.over().is_cancelled() && !other.over().is_cancelled());
        assert_eq!(ended.unwrap_err().code(), Code::Aborted);
        assert_eq!(done.unwrap(), 7);
        drop(other);
        let _last = latest.begin(3);
        assert_eq!(latest.0.lock().len(), 1, "nothing is left of those that are over");
    }
}
