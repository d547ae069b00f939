use quorate_core::Unavailable;
use quorate_proto::Malformed;
use quorate_proto::peer::v1 as pb;

/// What an operator asks of the leader. Each is as good twice as once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Takes a node in: it follows, and votes once it has caught up.
    Add {
        /// Its name.
        name: String,
        /// Where its peers reach it; `None` where it has asked to join.
        peer_addr: Option<String>,
        /// The member in whose place it comes, in one change of the voters.
        replaces: Option<String>,
    },
    /// Takes a member away for good.
    Remove {
        /// Its name.
        name: String,
    },
    /// Has another voter lead.
    Transfer {
        /// Its name; `None`: the one that answers and is furthest.
        to: Option<String>,
    },
}

/// An order that is carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// False where it was so already.
    pub changed: bool,
    /// What was done, for the operator.
    pub message: String,
    /// The log index of the membership as it is now.
    pub members_index: u64,
}

/// Why an order is not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// Nothing was done, nor will the same order now.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The leader gave no answer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// A refusal, in the leader's words for the operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refused {
    /// What kind of no it is.
    pub why: Why,
    /// What to do next.
    pub message: String,
}

/// The kinds of refusals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// No node is known by that name.
    NoSuchNode,
    /// The membership is another one than was expected.
    Changed,
    /// Another change is not done yet, which is a matter of moments.
    UnderWay,
    /// Too few voters would be left.
    Unsafe,
    /// The node is not fit for it.
    Unfit,
}

/// What the leader says to an order.
#[derive(Debug)]
pub(crate) enum Outcome {
    Done(Done),
    Refused(Refused),
    /// It does not lead, any more or yet. Nothing was done.
    NotLeader,
    /// It was begun, and nobody knows yet what becomes of it: the leader that comes tells.
    Unknown,
}

impl Refused {
    pub(crate) fn new(why: Why, message: impl Into<String>) -> Refused {
        Refused { why, message: message.into() }
    }
}

/// An order on its way to the leader.
pub(crate) fn to_message(order: &Order, members_index: Option<u64>) -> pb::OrderRequest {
    use pb::order_request::{AddMember, Order as Message, RemoveMember, TransferLeader};
    let order = match order.clone() {
        Order::Add { name, peer_addr, replaces } => Message::Add(AddMember {
            name,
            peer_addr: peer_addr.unwrap_or_default(),
            replaces: replaces.unwrap_or_default(),
        }),
        Order::Remove { name } => Message::Remove(RemoveMember { name }),
        Order::Transfer { to } => Message::Transfer(TransferLeader { to: to.unwrap_or_default() }),
    };
    pb::OrderRequest { members_index: members_index.unwrap_or_default(), order: Some(order) }
}

pub(crate) fn from_message(request: pb::OrderRequest) -> Result<(Order, Option<u64>), Malformed> {
    use pb::order_request::Order as Message;
    let given = |text: String| (!text.is_empty()).then_some(text);
    let order = match request.order.ok_or(Malformed::Field { message: "OrderRequest", field: "order" })? {
        Message::Add(add) => {
            Order::Add { name: add.name, peer_addr: given(add.peer_addr), replaces: given(add.replaces) }
        }
        Message::Remove(remove) => Order::Remove { name: remove.name },
        Message::Transfer(transfer) => Order::Transfer { to: given(transfer.to) },
    };
    Ok((order, (request.members_index != 0).then_some(request.members_index)))
}

pub(crate) fn outcome_message(outcome: Outcome) -> pb::OrderResponse {
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

pub(crate) fn outcome(response: pb::OrderResponse) -> Result<Outcome, Malformed> {
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
        for order in [
            Order::Add { name: name(), peer_addr: None, replaces: None },
            Order::Add { name: name(), peer_addr: Some("a:1".into()), replaces: Some("n1".into()) },
            Order::Remove { name: name() },
            Order::Transfer { to: None },
            Order::Transfer { to: Some(name()) },
        ] {
            for index in [None, Some(7)] {
                assert_eq!(from_message(to_message(&order, index)), Ok((order.clone(), index)));
            }
        }
        for why in [Why::NoSuchNode, Why::Changed, Why::UnderWay, Why::Unsafe, Why::Unfit] {
            let sent = Refused::new(why, "no");
            let Outcome::Refused(came) = outcome(outcome_message(Outcome::Refused(sent.clone()))).unwrap()
            else {
                panic!("not refused")
            };
            assert_eq!(came, sent);
        }
        let sent = Done { changed: true, message: "done".into(), members_index: 9 };
        let came = outcome(outcome_message(Outcome::Done(sent.clone()))).unwrap();
        assert!(matches!(came, Outcome::Done(came) if came == sent));
        assert!(matches!(outcome(outcome_message(Outcome::NotLeader)), Ok(Outcome::NotLeader)));
        assert!(matches!(outcome(outcome_message(Outcome::Unknown)), Ok(Outcome::Unknown)));
        assert!(outcome(pb::OrderResponse::default()).is_err());
    }
}
