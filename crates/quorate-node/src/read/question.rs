use tokio::sync::{mpsc, oneshot};

/// A question to another node that all callers share: one is under way at a time, and its answer is for those who came
/// before it was sent. So no answer is older than the call, and a node that is slow is not asked a thousand times.
pub(crate) struct Question<T>(mpsc::UnboundedSender<oneshot::Sender<T>>);

/// Asks it.
pub(crate) struct Asker<T>(mpsc::UnboundedReceiver<oneshot::Sender<T>>);

/// A question, and what asks it: to be run as a task.
pub(crate) fn question<T: Clone>() -> (Question<T>, Asker<T>) {
    let (callers, waiting) = mpsc::unbounded_channel(); // bounded by the requests that call
    (Question(callers), Asker(waiting))
}

impl<T> Question<T> {
    /// The answer, once it is asked. None when nobody asks it any more.
    pub(crate) fn answer(&self) -> impl Future<Output = Option<T>> + use<T> {
        let (caller, answer) = oneshot::channel();
        // A failure shows in the answer.
        let _ = self.0.send(caller);
        async { answer.await.ok() }
    }
}

impl<T> Clone for Question<T> {
    fn clone(&self) -> Question<T> {
        Question(self.0.clone())
    }
}

impl<T: Clone> Asker<T> {
    /// Asks as long as somebody may call.
    pub(crate) async fn run<F: Future<Output = T>>(mut self, ask: impl Fn() -> F) {
        while let Some(first) = self.0.recv().await {
            let mut callers = vec![first];
            while let Ok(caller) = self.0.try_recv() {
                callers.push(caller);
            }
            let answer = ask().await;
            for caller in callers {
                // A caller may have given up.
                let _ = caller.send(answer.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures::FutureExt;
    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn an_answer_is_for_those_who_came_before_the_question() {
        let (question, asker) = question();
        let (asked, let_answer) = (Cell::new(0), Notify::new());
        let ask = || async {
            asked.set(asked.get() + 1);
            let_answer.notified().await;
            asked.get()
        };
        let mut running = Box::pin(asker.run(ask));
        let mut poll = || assert!(running.as_mut().now_or_never().is_none());

        let (first, second) = (question.answer(), question.answer());
        poll();
        let late = question.answer();
        let_answer.notify_one();
        poll();
        assert_eq!((first.await, second.await), (Some(1), Some(1)));
        let mut late = Box::pin(late);
        assert!(late.as_mut().now_or_never().is_none());
        let_answer.notify_one();
        poll();
        assert_eq!(late.await, Some(2));
        drop(running);
        assert_eq!(question.answer().await, None);
    }
}
