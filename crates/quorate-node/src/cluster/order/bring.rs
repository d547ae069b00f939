use std::error::Error;
use std::time::Duration;

use quorate_core::Unavailable;
use tokio::time::Instant;
use tonic::{Code, ConnectError};

use crate::cluster::order::carry_out::Orders;
use crate::cluster::order::{Done, Order, OrderError, Outcome, Why, message};
use crate::limits;
use crate::pause::Pause;

/// Brings what an operator asks to the leader, whoever that is, again where it has changed: each order is as good twice as once.
pub(crate) async fn bring(
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
    if !(peers.station.takes_commands() && peers.is_initialised()) {
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
            let message = message::order(&order, expected);
            let answer = peers.process.transport.order(leader.id, message, left).await;
            answer.and_then(|answer| {
                message::outcome_of(answer)
                    .map_err(|malformed| tonic::Status::internal(malformed.to_string()))
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
