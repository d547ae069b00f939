use quorate_proto::Malformed;
use quorate_proto::peer::v1 as pb;

use crate::cluster::order::{Done, Order, Outcome, Refused, Why};

/// An order on its way to the leader.
pub(crate) fn order(order: &Order, members_index: Option<u64>) -> pb::OrderRequest {
    use pb::order_request::{AddMember, Order as Message, RemoveMember, TransferLeader};
    let order = match order.clone() {
        Order::Add { name, peer_addr, replaces } => Message::Add(AddMember {
            name,
            peer_addr: peer_addr.unwrap_or_default(),
            replaces: replaces.unwrap_or_default(),
        }),
        Order::Remove { name, force } => Message::Remove(RemoveMember { name, force }),
        Order::Transfer { to } => Message::Transfer(TransferLeader { to: to.unwrap_or_default() }),
    };
    pb::OrderRequest { members_index: members_index.unwrap_or_default(), order: Some(order) }
}

pub(crate) fn order_of(request: pb::OrderRequest) -> Result<(Order, Option<u64>), Malformed> {
    use pb::order_request::Order as Message;
    let given = |text: String| (!text.is_empty()).then_some(text);
    let order = match request.order.ok_or(Malformed::Field { message: "OrderRequest", field: "order" })? {
        Message::Add(add) => {
            Order::Add { name: add.name, peer_addr: given(add.peer_addr), replaces: given(add.replaces) }
        }
        Message::Remove(remove) => Order::Remove { name: remove.name, force: remove.force },
        Message::Transfer(transfer) => Order::Transfer { to: given(transfer.to) },
    };
    Ok((order, (request.members_index != 0).then_some(request.members_index)))
}

pub(crate) fn outcome(outcome: Outcome) -> pb::OrderResponse {
    use pb::order_response::{self as message, Outcome as Message};
    let outcome = match outcome {
        Outcome::Done(Done { changed, message, members_index }) => {
            Message::Done(message::Done { changed, message, members_index })
        }
        Outcome::Refused(Refused { why, message }) => {
            let why = match why {
                Why::NoSuchNode => message::Why::NoSuchNode,
                Why::Changed => message::Why::Changed,
                Why::UnderWay => message::Why::UnderWay,
                Why::Unsafe => message::Why::Unsafe,
                Why::Unfit => message::Why::Unfit,
            };
            Message::Refused(message::Refused { why: why.into(), message })
        }
        Outcome::NotLeader => Message::NotLeader(message::NotLeader {}),
        Outcome::Unknown => Message::Unknown(message::Unknown {}),
    };
    pb::OrderResponse { outcome: Some(outcome) }
}

pub(crate) fn outcome_of(response: pb::OrderResponse) -> Result<Outcome, Malformed> {
    use pb::order_response::{Outcome as Message, Why as Wire};
    let malformed = |field| Malformed::Field { message: "OrderResponse", field };
    Ok(match response.outcome.ok_or(malformed("outcome"))? {
        Message::Done(done) => {
            let pb::order_response::Done { changed, message, members_index } = done;
            Outcome::Done(Done { changed, message, members_index })
        }
        Message::Refused(refused) => {
            let why = match refused.why() {
                Wire::NoSuchNode => Why::NoSuchNode,
                Wire::Changed => Why::Changed,
                Wire::UnderWay => Why::UnderWay,
                Wire::Unsafe => Why::Unsafe,
                Wire::Unfit => Why::Unfit,
                Wire::Unspecified => return Err(malformed("why")),
            };
            Outcome::Refused(Refused { why, message: refused.message })
        }
        Message::NotLeader(_) => Outcome::NotLeader,
        Message::Unknown(_) => Outcome::Unknown,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_and_outcomes_come_over_as_they_are_sent() {
        let name = || "n4".to_owned();
        for sent in [
            Order::Add { name: name(), peer_addr: None, replaces: None },
            Order::Add { name: name(), peer_addr: Some("a:1".into()), replaces: Some("n1".into()) },
            Order::Remove { name: name(), force: false },
            Order::Remove { name: name(), force: true },
            Order::Transfer { to: None },
            Order::Transfer { to: Some(name()) },
        ] {
            for index in [None, Some(7)] {
                assert_eq!(order_of(order(&sent, index)), Ok((sent.clone(), index)));
            }
        }
        for why in [Why::NoSuchNode, Why::Changed, Why::UnderWay, Why::Unsafe, Why::Unfit] {
            let sent = Refused::new(why, "no");
            let Outcome::Refused(came) = outcome_of(outcome(Outcome::Refused(sent.clone()))).unwrap() else {
                panic!("not refused")
            };
            assert_eq!(came, sent);
        }
        let sent = Done { changed: true, message: "done".into(), members_index: 9 };
        let came = outcome_of(outcome(Outcome::Done(sent.clone()))).unwrap();
        assert!(matches!(came, Outcome::Done(came) if came == sent));
        assert!(matches!(outcome_of(outcome(Outcome::NotLeader)), Ok(Outcome::NotLeader)));
        assert!(matches!(outcome_of(outcome(Outcome::Unknown)), Ok(Outcome::Unknown)));
        assert!(outcome_of(pb::OrderResponse::default()).is_err());
    }
}
