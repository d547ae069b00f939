//! What operators ask.
//!
//! `bring.rs` takes an order to the leader, as a `message.rs`; there `carry_out.rs` gives it its turn, and `add.rs`, `remove.rs` and `transfer.rs` do
//! it. `drain.rs` asks one member, whoever leads.

mod add;
pub(crate) mod bring;
pub(crate) mod carry_out;
pub(crate) mod drain;
pub(crate) mod message;
mod remove;
mod transfer;

use quorate_core::Unavailable;

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
        /// Also where those that are left survive no failure, and did before.
        force: bool,
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
