use std::time::Duration;

use quorate_core::Unavailable;
use quorate_proto::peer::v1::drain_request::Mode;
use tokio::time::Instant;
use tonic::Code;

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
            Ok(Outcome::Refused(refused)) => return Err(refused.into()),
            Ok(Outcome::NotLeader) => {}
            Err(status) => {
                // These come before the call.
                may_be_done |= !matches!(status.code(), Code::FailedPrecondition | Code::Unimplemented);
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

/// Drains a member, or has it do as before.
pub(crate) async fn drain(peers: &Peers, own: &Drain, name: &str, undo: bool) -> Result<Done, OrderError> {
    let stored = peers.leadership.membership();
    let mode = if undo { Mode::Undrain } else { Mode::Drain };
    let mut bearers = stored.membership().nodes().filter(|(_, node)| node.name == name).map(|(id, _)| *id);
    let Some(id) = bearers.next() else {
        return Err(Refused::new(Why::NoSuchNode, format!("{name} is no member")).into());
    };
    let (changed, leads) = if id == peers.process.identity.node_id {
        (own.station.is_draining() == undo, own.set(mode).await)
    } else {
        let unfit = || Refused::new(Why::Unfit, format!("{name} does not answer"));
        let before = peers.ask_member(id).await.ok_or_else(unfit)?;
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
            "{name} is being drained, and leads all the same: no other voter that answers is up to date. It hands over as \
             soon as one is"
        ),
    };
    let members_index = stored.log_id().map_or(0, |log_id| log_id.index);
    Ok(Done { changed, message, members_index })
}
