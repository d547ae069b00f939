use std::collections::BTreeSet;

use openraft::Precondition;
use openraft::errors::{ClientWriteError, RaftError};
use quorate_store::{Membership, NodeId, StoredMembership, TypeConfig};
use tokio::sync::oneshot;

use crate::cluster::handover::Handover;
use crate::cluster::membership::{Admission, half_done};
use crate::cluster::order::{Done, Order, Outcome, Refused, Why};
use crate::cluster::peers::Peers;
use crate::limits;

/// The leader's part in what an operator asks.
///
/// That somebody has asked for a node is in the log: it is a learner. From there it goes on by itself, whoever leads, and whether
/// the operator waits for it or not.
#[derive(Clone)]
pub(crate) struct Orders {
    pub(crate) admission: Admission,
    pub(crate) handover: Handover,
}

/// Why an order is not carried out here.
pub(super) enum No {
    Refused(Refused),
    NotLeader,
    /// A change was begun.
    Unknown,
}

impl From<Refused> for No {
    fn from(refused: Refused) -> No {
        No::Refused(refused)
    }
}

impl From<RaftError<TypeConfig, ClientWriteError<TypeConfig>>> for No {
    fn from(error: RaftError<TypeConfig, ClientWriteError<TypeConfig>>) -> No {
        tracing::debug!(%error, "the membership is not changed");
        match error {
            // The first half of it may be in the log, and the next leader ends it.
            RaftError::Fatal(_) => No::Unknown,
            RaftError::APIError(error) => match error {
                ClientWriteError::ForwardToLeader(_) | ClientWriteError::LogEntryDiscarded(_) => No::Unknown,
                ClientWriteError::PreconditionFailed(_) => changed_meanwhile().into(),
                ClientWriteError::ChangeMembershipError(_) => under_way().into(),
            },
        }
    }
}

impl Orders {
    /// Carries an order out, if this node leads, and the membership is the `expected` one. What was begun goes on when the caller
    /// does not wait any more: a change of voters has two halves.
    pub(crate) async fn carry_out(&self, order: Order, expected: Option<u64>) -> Outcome {
        let this = self.clone();
        let (done, outcome) = oneshot::channel();
        self.peers().process.tasks.spawn("order", async move {
            // Nobody may wait any more.
            let _ = done.send(this.run(order, expected).await);
        });
        match outcome.await {
            Ok(Ok(done)) => Outcome::Done(done),
            Ok(Err(No::Refused(refused))) => Outcome::Refused(refused),
            Ok(Err(No::NotLeader)) => Outcome::NotLeader,
            // This node ends: the next leader tells whether it is done.
            Ok(Err(No::Unknown)) | Err(_) => Outcome::Unknown,
        }
    }

    pub(super) fn peers(&self) -> &Peers {
        &self.admission.peers
    }

    pub(super) fn own_id(&self) -> NodeId {
        self.peers().process.identity.node_id
    }

    async fn run(&self, order: Order, expected: Option<u64>) -> Result<Done, No> {
        self.leads()?;
        let turn = tokio::time::timeout(limits::ORDER_TURN, self.admission.close()).await;
        let _gate = turn.map_err(|_| under_way())?;
        self.leads()?;
        let stored = self.peers().leadership.membership();
        match order {
            Order::Add { name, peer_addr, replaces } => {
                self.add(&name, peer_addr, replaces.as_deref(), &stored, expected).await
            }
            Order::Remove { name, force } => self.remove(&name, force, &stored, expected).await,
            Order::Transfer { to } => self.transfer(to.as_deref(), &stored, expected).await,
        }
    }

    fn leads(&self) -> Result<(), No> {
        self.peers().leadership.here().map(|_| ()).ok_or(No::NotLeader)
    }

    pub(super) fn done(&self, changed: bool, message: String) -> Done {
        if changed {
            tracing::info!("as an operator asked: {message}");
        }
        let members_index = index(&self.peers().leadership.membership());
        Done { changed, message, members_index }
    }
}

/// No change is under way, and the membership is what the operator has seen.
pub(super) fn may_change(stored: &StoredMembership, expected: Option<u64>) -> Result<(), Refused> {
    if half_done(stored.membership()).is_some() {
        return Err(under_way());
    }
    let now = index(stored);
    match expected {
        Some(expected) if expected != now => Err(Refused::new(
            Why::Changed,
            format!("the members are those of index {now}, not {expected}: look at them again"),
        )),
        _ => Ok(()),
    }
}

/// All that bear the name: a newcomer may, beside one that is gone.
pub(super) fn bearers(membership: &Membership, name: &str) -> BTreeSet<NodeId> {
    membership.nodes().filter(|(_, node)| node.name == name).map(|(id, _)| *id).collect()
}

fn index(stored: &StoredMembership) -> u64 {
    stored.log_id().map_or(0, |log_id| log_id.index)
}

pub(super) fn unchanged(stored: &StoredMembership) -> Precondition<TypeConfig> {
    Precondition::LastMembershipLogId { last_membership_log_id: *stored.log_id() }
}

fn changed_meanwhile() -> Refused {
    Refused::new(Why::Changed, "the members have changed meanwhile: look at them again")
}

fn under_way() -> Refused {
    Refused::new(Why::UnderWay, "another change of the members is under way: try again when it is done")
}
