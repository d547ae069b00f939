use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use quorate_core::{Answered, RequestId};
use tokio::sync::oneshot;

/// Requests that this node has taken and that wait for their answer: they find it where this node applies the log.
#[derive(Clone, Default)]
pub(crate) struct Pending(Arc<Mutex<HashMap<RequestId, oneshot::Sender<Answered>>>>);

/// Waits for one answer. Dropped, the request is waited for no more.
pub(crate) struct Awaited {
    pending: Pending,
    request_id: RequestId,
    answer: oneshot::Receiver<Answered>,
}

impl Pending {
    /// Waits for the answer to this request. Must be called before it is proposed.
    pub(crate) fn register(&self, request_id: RequestId) -> Awaited {
        let (sender, answer) = oneshot::channel();
        let before = self.0.lock().insert(request_id, sender);
        assert!(before.is_none(), "a request id was drawn twice");
        Awaited { pending: self.clone(), request_id, answer }
    }

    /// Hands the answers of an applied entry to those that wait for them here.
    pub(crate) fn complete(&self, answered: Vec<Answered>) {
        if answered.is_empty() {
            return;
        }
        let mut pending = self.0.lock();
        for answer in answered {
            if let Some(sender) = pending.remove(&answer.request_id) {
                // Whoever waited may have just given up.
                let _ = sender.send(answer);
            }
        }
    }

    /// The requests that are waited for.
    pub(crate) fn waiting(&self) -> Vec<RequestId> {
        self.0.lock().keys().copied().collect()
    }
}

impl Awaited {
    /// The answer. Can be called again after it was cancelled.
    pub(crate) async fn answer(&mut self) -> Answered {
        match (&mut self.answer).await {
            Ok(answered) => answered,
            // The sender stays in the map until the answer is there.
            Err(_) => std::future::pending().await,
        }
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        self.pending.0.lock().remove(&self.request_id);
    }
}

#[cfg(test)]
mod tests {
    use quorate_core::{Position, Reply};

    use super::*;

    fn answer(byte: u8) -> Answered {
        Answered {
            request_id: RequestId([byte; 16]),
            position: Position::default(),
            replayed: false,
            outcome: Ok(Reply::Done),
        }
    }

    #[tokio::test]
    async fn an_answer_reaches_the_one_that_waits_for_it() {
        let pending = Pending::default();
        let mut first = pending.register(RequestId([1; 16]));
        let second = pending.register(RequestId([2; 16]));
        pending.complete(vec![answer(9), answer(1)]);
        assert_eq!(first.answer().await, answer(1));
        assert_eq!(pending.waiting(), [RequestId([2; 16])]);
        drop(second);
        assert_eq!(pending.waiting(), []);
    }
}
