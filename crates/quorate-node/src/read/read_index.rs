use std::sync::Arc;
use std::time::Duration;

use quorate_core::Unavailable;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::leadership::Leadership;
use crate::machine::Machine;
use crate::pause::Pause;
use crate::peer::Transport;
use crate::read::commit_index::CommitIndex;
use crate::read::question::{Question, question};
use crate::task::Tasks;

/// Linearizable reads: up to where this node must have applied the log, so that it shows all that was committed when
/// the question was asked (ReadIndex).
#[derive(Clone)]
pub(crate) struct ReadIndex {
    leader: Question<Option<u64>>,
    applied: watch::Receiver<u64>,
    machine: Arc<dyn Machine>,
    closed: CancellationToken,
}

impl ReadIndex {
    pub(crate) fn start(
        commit_index: CommitIndex,
        leadership: Leadership,
        transport: Transport,
        applied: watch::Receiver<u64>,
        machine: Arc<dyn Machine>,
        closed: CancellationToken,
        tasks: &Tasks,
    ) -> ReadIndex {
        let (leader, asker) = question();
        tasks.spawn("read index", async move {
            asker.run(|| ask_leader(&commit_index, &leadership, &transport)).await;
        });
        ReadIndex { leader, applied, machine, closed }
    }

    /// Ends when this node has applied everything that was committed when the call began.
    ///
    /// # Errors
    /// [`Unavailable::NotApplied`] when that did not come about in time, [`Unavailable::Stopping`].
    pub(crate) async fn barrier(&self, within: Duration) -> Result<(), Unavailable> {
        let until = Instant::now() + within;
        tokio::select! {
            reached = tokio::time::timeout_at(until, self.reach()) => {
                reached.unwrap_or(Err(Unavailable::NotApplied))
            }
            () = self.closed.cancelled() => Err(Unavailable::Stopping),
        }
    }

    /// What a leader that a majority follows says within so long, whatever this node has applied.
    pub(crate) async fn told(&self, within: Duration) -> Option<u64> {
        tokio::time::timeout(within, self.index()).await.ok()?.ok()
    }

    /// Whether this node applies all up to there within so long.
    pub(crate) async fn reaches(&self, index: u64, within: Duration) -> bool {
        matches!(tokio::time::timeout(within, self.applied(index)).await, Ok(Ok(())))
    }

    async fn reach(&self) -> Result<(), Unavailable> {
        self.applied(self.index().await?).await
    }

    async fn applied(&self, index: u64) -> Result<(), Unavailable> {
        let mut applied = self.applied.clone();
        applied.wait_for(|applied| *applied >= index).await.map_err(|_| Unavailable::Stopping)?;
        Ok(())
    }

    /// How far the log is committed, from whoever leads.
    async fn index(&self) -> Result<u64, Unavailable> {
        let mut pause = Pause::new(&self.machine);
        loop {
            match self.leader.answer().await {
                Some(Some(index)) => return Ok(index),
                Some(None) => tokio::time::sleep(pause.next()).await,
                None => return Err(Unavailable::Stopping),
            }
        }
    }
}

async fn ask_leader(
    commit_index: &CommitIndex,
    leadership: &Leadership,
    transport: &Transport,
) -> Option<u64> {
    let leader = leadership.now()?;
    let asked = async {
        if leader.here {
            commit_index.confirmed(None).await.map_err(|unconfirmed| unconfirmed.to_string())
        } else {
            // Not before: the vote must be of a time when all who wait for the answer had asked.
            let vote = commit_index.current_vote().await.map_err(|status| status.to_string())?;
            transport.read_index(leader.id, vote).await.map_err(|status| status.to_string())
        }
    };
    let mut leadership = leadership.clone();
    let answer = tokio::select! {
        answer = asked => answer,
        _ = leadership.other_than(Some(leader)) => Err("another leader".to_owned()),
    };
    answer.inspect_err(|reason| tracing::debug!(reason, "the leader gives no read index")).ok()
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;
    use crate::machine::ThisMachine;

    #[tokio::test]
    async fn a_barrier_waits_until_this_node_has_applied_what_the_leader_said() {
        let (leader, asker) = question();
        let (apply, applied) = watch::channel(3);
        let read_index =
            ReadIndex { leader, applied, machine: Arc::new(ThisMachine), closed: CancellationToken::new() };
        let mut barrier = Box::pin(read_index.barrier(Duration::from_secs(600)));
        assert!(barrier.as_mut().now_or_never().is_none());
        assert!(asker.run(async || Some(5)).now_or_never().is_none());
        assert!(barrier.as_mut().now_or_never().is_none());
        apply.send_replace(4);
        assert!(barrier.as_mut().now_or_never().is_none());
        apply.send_replace(5);
        assert_eq!(barrier.await, Ok(()));
    }

    /// However late the leader has said it.
    #[tokio::test(start_paused = true)]
    async fn what_is_applied_already_takes_no_time() {
        let (leader, asker) = question();
        let (_apply, applied) = watch::channel(5);
        let read_index =
            ReadIndex { leader, applied, machine: Arc::new(ThisMachine), closed: CancellationToken::new() };
        tokio::spawn(asker.run(async || {
            tokio::time::sleep(Duration::from_secs(2)).await;
            Some(5)
        }));
        assert_eq!(read_index.told(Duration::from_secs(1)).await, None);
        assert_eq!(read_index.told(Duration::from_secs(600)).await, Some(5));
        assert!(read_index.reaches(5, Duration::ZERO).await);
        assert!(!read_index.reaches(6, Duration::from_secs(600)).await);
    }

    #[tokio::test]
    async fn a_barrier_ends_with_the_node() {
        let (leader, _asker) = question();
        let (_apply, applied) = watch::channel(3);
        let closed = CancellationToken::new();
        let read_index =
            ReadIndex { leader, applied, machine: Arc::new(ThisMachine), closed: closed.clone() };
        let mut barrier = Box::pin(read_index.barrier(Duration::from_secs(600)));
        assert!(barrier.as_mut().now_or_never().is_none());
        closed.cancel();
        assert_eq!(barrier.await, Err(Unavailable::Stopping));
    }
}
