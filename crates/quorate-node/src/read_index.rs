use std::time::Duration;

use quorate_store::planted::{Bug, planted};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::SubmitError;
use crate::commit_index::CommitIndex;
use crate::leadership::Leadership;
use crate::pause::Pause;
use crate::task::Tasks;
use crate::transport::Transport;

/// Linearizable reads: up to where this node must have applied the log, so that it shows all that was committed when
/// the question was asked (ReadIndex). One question to the leader is under way at a time; it is asked for all callers
/// who came before it was sent.
#[derive(Clone)]
pub(crate) struct ReadIndex {
    callers: mpsc::UnboundedSender<oneshot::Sender<Option<u64>>>,
    applied: watch::Receiver<u64>,
    closed: CancellationToken,
}

impl ReadIndex {
    pub(crate) fn start(
        commit_index: CommitIndex,
        leadership: Leadership,
        transport: Transport,
        applied: watch::Receiver<u64>,
        closed: CancellationToken,
        tasks: &Tasks,
    ) -> ReadIndex {
        let (callers, waiting) = mpsc::unbounded_channel();
        tasks.spawn("read index", Worker { commit_index, leadership, transport, waiting }.run());
        ReadIndex { callers, applied, closed }
    }

    /// Ends when this node has applied everything that was committed when the call began.
    ///
    /// # Errors
    /// [`SubmitError::NotApplied`] when that did not come about in time, [`SubmitError::Stopping`].
    pub(crate) async fn barrier(&self, within: Duration) -> Result<(), SubmitError> {
        if planted(Bug::StaleRead) {
            return Ok(());
        }
        let until = Instant::now() + within;
        tokio::select! {
            reached = tokio::time::timeout_at(until, self.reach()) => {
                reached.unwrap_or(Err(SubmitError::NotApplied))
            }
            () = self.closed.cancelled() => Err(SubmitError::Stopping),
        }
    }

    async fn reach(&self) -> Result<(), SubmitError> {
        let mut pause = Pause::new();
        let index = loop {
            let (caller, answer) = oneshot::channel();
            self.callers.send(caller).map_err(|_| SubmitError::Stopping)?;
            match answer.await {
                Ok(Some(index)) => break index,
                Ok(None) => tokio::time::sleep(pause.next()).await,
                Err(_) => return Err(SubmitError::Stopping),
            }
        };
        let mut applied = self.applied.clone();
        applied.wait_for(|applied| *applied >= index).await.map_err(|_| SubmitError::Stopping)?;
        Ok(())
    }
}

struct Worker {
    commit_index: CommitIndex,
    leadership: Leadership,
    transport: Transport,
    waiting: mpsc::UnboundedReceiver<oneshot::Sender<Option<u64>>>,
}

impl Worker {
    async fn run(mut self) {
        while let Some(first) = self.waiting.recv().await {
            let mut callers = vec![first];
            while let Ok(caller) = self.waiting.try_recv() {
                callers.push(caller);
            }
            let index = self.ask().await;
            for caller in callers {
                // A caller may have given up.
                let _ = caller.send(index);
            }
        }
    }

    async fn ask(&self) -> Option<u64> {
        let leader = self.leadership.now()?;
        let asked = if leader.here {
            self.commit_index.confirmed().await.map_err(|unconfirmed| unconfirmed.to_string())
        } else {
            let addr = self.leadership.peer_addr(leader.id)?;
            let mut leadership = self.leadership.clone();
            tokio::select! {
                answer = self.transport.read_index(leader.id, &addr) => answer.map_err(|status| status.to_string()),
                _ = leadership.other_than(Some(leader)) => Err("another leader".to_owned()),
            }
        };
        asked.inspect_err(|reason| tracing::debug!(reason, "the leader gives no read index")).ok()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_barrier_waits_until_this_node_has_applied_what_the_leader_said() {
        let (callers, mut waiting) = mpsc::unbounded_channel();
        let (apply, applied) = watch::channel(3);
        let read_index = ReadIndex { callers, applied, closed: CancellationToken::new() };
        let mut barrier = Box::pin(read_index.barrier(Duration::from_secs(600)));
        assert!(barrier.as_mut().now_or_never().is_none());
        waiting.recv().await.unwrap().send(Some(5)).unwrap();
        assert!(barrier.as_mut().now_or_never().is_none());
        apply.send_replace(4);
        assert!(barrier.as_mut().now_or_never().is_none());
        apply.send_replace(5);
        assert_eq!(barrier.await, Ok(()));
    }

    #[tokio::test]
    async fn a_barrier_ends_with_the_node() {
        let (callers, _waiting) = mpsc::unbounded_channel();
        let (_apply, applied) = watch::channel(3);
        let closed = CancellationToken::new();
        let read_index = ReadIndex { callers, applied, closed: closed.clone() };
        let mut barrier = Box::pin(read_index.barrier(Duration::from_secs(600)));
        assert!(barrier.as_mut().now_or_never().is_none());
        closed.cancel();
        assert_eq!(barrier.await, Err(SubmitError::Stopping));
    }
}
