use std::collections::BTreeSet;
use std::error::Error;
use std::time::Duration;

use quorate_core::Unavailable;
use quorate_proto::peer::v1::drain_request::Mode;
use quorate_store::NodeId;
use tokio::time::Instant;
use tonic::{Code, ConnectError};

use crate::cluster::drain::Drain;
use crate::cluster::order::{self, Done, Order, OrderError, Outcome, Refused, Why};
use crate::cluster::orders::Orders;
use crate::cluster::peers::Peers;
use crate::limits;
use crate::pause::Pause;

/// Brings what an operator asks to the leader, whoever that is, again where it has changed: each order is as good twice as once.
pub(crate) async fn order(
    orders: &Orders,
    order: Order,
    expected: Option<u64>,
    within: Duration,
) -> Result<Done, OrderError> {
    let peers = &orders.admission.peers;
    let until = Instant::now() + within.min(limits::ORDER);
    let mut leadership = peers.leadership.clone();
    let mut pause = Pause::new(&peers.process.machine);
    let mut may_be_done = false;
    if !peers.station.takes_commands() {
        return Err(Unavailable::NotMember.into());
    }
    let unanswered = |may_be_done| match may_be_done {
        true => Err(Unavailable::Unknown.into()),
        false => Err(Unavailable::NotApplied.into()),
    };
    loop {
        let Ok(leader) = tokio::time::timeout_at(until, leadership.known()).await else {
            return unanswered(may_be_done);
        };
        let left = until.saturating_duration_since(Instant::now());
        let outcome = if leader.here {
            let carried_out = orders.carry_out(order.clone(), expected);
            let late = |_| tonic::Status::deadline_exceeded("this node has not carried it out in time");
            tokio::time::timeout(left, carried_out).await.map_err(late)
        } else {
            let message = order::to_message(&order, expected);
            let answer = peers.process.transport.order(leader.id, message, left).await;
            answer.and_then(|answer| {
                order::outcome(answer).map_err(|malformed| tonic::Status::internal(malformed.to_string()))
            })
        };
        match outcome {
            Ok(Outcome::Done(done)) => return Ok(done),
            // Also what this order had begun, at a leader that died.
            Ok(Outcome::Refused(refused))
                if refused.why == Why::UnderWay && Instant::now() + limits::PAUSE.1 < until => {}
            Ok(Outcome::Refused(refused)) => return Err(refused.into()),
            Ok(Outcome::NotLeader) => {}
            Ok(Outcome::Unknown) => may_be_done = true,
            Err(status) => {
                may_be_done |= is_after_the_call(&status);
                tracing::debug!(%status, "the leader does not carry the order out");
            }
        }
        if Instant::now() >= until {
            return unanswered(may_be_done);
        }
        tokio::select! {
            _ = leadership.other_than(Some(leader)) => {}
            () = tokio::time::sleep(pause.next()) => {}
        }
    }
}

/// The leader may have got the order. It has not where nobody takes a connection, or who does is another one.
fn is_after_the_call(status: &tonic::Status) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = status.source();
    while let Some(error) = cause {
        if error.is::<ConnectError>() {
            return false;
        }
        cause = error.source();
    }
    !matches!(status.code(), Code::FailedPrecondition | Code::Unimplemented)
}

/// Drains a member, or has it do as before.
pub(crate) async fn drain(peers: &Peers, own: &Drain, name: &str, undo: bool) -> Result<Done, OrderError> {
    let stored = peers.leadership.membership();
    let mode = if undo { Mode::Undrain } else { Mode::Drain };
    let bearers: BTreeSet<NodeId> =
        stored.membership().nodes().filter(|(_, node)| node.name == name).map(|(id, _)| *id).collect();
    if bearers.is_empty() {
        return Err(Refused::new(Why::NoSuchNode, format!("{name} is no member")).into());
    }
    let (changed, leads) = if bearers.contains(&peers.process.identity.node_id) {
        (own.station.is_draining() == undo, own.set(mode).await)
    } else {
        let unfit = || Refused::new(Why::Unfit, format!("{name} does not answer"));
        // A newcomer may bear the name beside one that is gone.
        let asked = futures::future::join_all(bearers.iter().map(|id| peers.ask_member(*id))).await;
        let before = asked.into_iter().flatten().next().ok_or_else(unfit)?;
        let id = before.node_id;
        let answer = peers.process.transport.drain(id, mode).await.map_err(|status| {
            tracing::debug!(%status, "a member is not drained");
            unfit()
        })?;
        (before.draining == undo, answer.leads)
    };
    let message = match (undo, leads) {
        (true, _) => format!("{name} is not drained any more"),
        (false, false) => format!("{name} is being drained: it does not lead, and takes no long polls"),
        (false, true) => format!(
            "{name} is being drained, and leads all the same: no other voter can, as it is. It hands over as soon as one \
             can"
        ),
    };
    let members_index = stored.log_id().map_or(0, |log_id| log_id.index);
    Ok(Done { changed, message, members_index })
}
