use quorate_check::Op;

use crate::fault::Fault;
use crate::rest::UNAUTHORIZED;

/// A fault that took hold and is over.
#[derive(Clone, Debug)]
pub(crate) struct Injected {
    pub(crate) fault: Fault,
    /// Names of the nodes that were harmed.
    pub(crate) victims: Vec<String>,
    /// Just before it began, on the clock of the run.
    pub(crate) from: u64,
    /// When it was seen to have taken hold.
    pub(crate) struck: u64,
    /// When nodes were told to go on as before.
    pub(crate) over: u64,
    /// When all nodes were seen to be well again.
    pub(crate) healed: u64,
    /// True where it took the leader and left a majority.
    pub(crate) took_leader: bool,
    /// True where it took the leader or a majority.
    pub(crate) leaderless: bool,
    /// When each victim was away, where that was in turn: from and until, on the clock of the run.
    pub(crate) turns: Vec<(String, u64, u64)>,
    /// Clients whose token was removed when it had struck, and who had another one when it was over.
    pub(crate) refused: Vec<u32>,
}

impl Injected {
    /// As the history has it.
    pub(crate) fn record(&self) -> quorate_check::Fault {
        quorate_check::Fault {
            name: self.fault.to_string().into(),
            nodes: self.victims.iter().map(|name| name.as_str().into()).collect(),
            leaderless: self.leaderless,
            from: self.from,
            until: self.healed,
        }
    }

    /// True where the request was under way while this lasted or healed.
    pub(crate) fn meets(&self, op: &Op) -> bool {
        op.invoke <= self.healed && op.returned >= self.from
    }

    /// True where it made a node refuse the request for its token.
    pub(crate) fn refuses(&self, op: &Op) -> bool {
        let is_removed = op.returned >= self.struck && op.invoke <= self.over;
        op.status == Some(UNAUTHORIZED) && is_removed && self.refused.contains(&op.client)
    }

    /// True where the request was under way at a node while that was harmed, or healed.
    pub(crate) fn harms(&self, op: &Op) -> bool {
        let is_away = |(name, from, until): &(String, u64, u64)| {
            **name == *op.node && op.invoke <= *until && op.returned >= *from
        };
        match self.fault.is_in_turn() {
            true => self.turns.iter().any(is_away),
            false => self.meets(op) && self.victims.iter().any(|victim| **victim == *op.node),
        }
    }
}
