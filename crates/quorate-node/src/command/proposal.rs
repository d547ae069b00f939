use bytes::Bytes;
use quorate_core::RequestId;
use tokio::sync::oneshot;
use tracing::Span;

use crate::command::forwarded::Answers;
use crate::trace;

/// A command on its way into the log. The same command may be proposed more than once: it takes effect once.
pub(crate) struct Proposal {
    /// What deduplication goes by.
    pub(crate) request_id: RequestId,
    /// The encoded envelope: encoded once, by the node that took the request.
    pub(crate) envelope: Bytes,
    /// What [`quorate_core::Command::adds_jobs`] says of it.
    pub(crate) adds_jobs: bool,
    /// What [`quorate_core::Command::jobs`] says of it.
    pub(crate) jobs: usize,
    /// Where what happens to it is told.
    pub(crate) span: Span,
    /// Who is told what became of this proposal.
    pub(crate) to: Proposer,
}

/// Who made a proposal.
pub(crate) enum Proposer {
    /// A request of this node.
    Here(oneshot::Sender<Verdict>),
    /// Another node's forward stream.
    Peer(Answers),
}

/// What became of a proposal: whether it is in the log, not what the state machine answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is committed.
    Appended,
    /// Not appended: no leader here.
    NotLeader,
    /// Not appended: too much is in flight at the leader.
    Overloaded,
    /// Not appended: the leader's disk has no room for it, and nobody else's has.
    DiskFull,
    /// Not appended: the leader does not understand it, or the cluster's feature level does not allow it yet, or it is
    /// longer than any.
    NotUnderstood,
    /// It may or may not be in the log.
    Unknown,
}

impl Proposal {
    /// Tells whoever proposed it.
    pub(crate) fn settle(self, verdict: Verdict) {
        tracing::debug!(target: trace::TARGET, parent: &self.span, ?verdict, "settled");
        // Nobody may listen any more: then nobody needs to know.
        match self.to {
            Proposer::Here(sender) => drop(sender.send(verdict)),
            Proposer::Peer(answers) => answers.tell(self.request_id, verdict),
        }
    }

    /// True when nobody waits for this proposal any more: it was made again elsewhere, or given up.
    pub(crate) fn is_abandoned(&self) -> bool {
        match &self.to {
            Proposer::Here(sender) => sender.is_closed(),
            Proposer::Peer(answers) => answers.is_closed(),
        }
    }
}
