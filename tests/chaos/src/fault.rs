use std::fmt;
use std::str::FromStr;

use anyhow::{Context, bail};

/// What is done to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// SIGKILL, and started again after a while.
    Kill,
    /// SIGKILL from behind the back of what watches over the node, which is to start it again.
    Crash,
    /// SIGSTOP, and SIGCONT after a while.
    Pause,
    /// SIGTERM, waited for, and started again.
    Restart,
    /// SIGKILL, its data removed, and started again: as a new node that takes the place.
    Wipe,
    /// SIGKILL, and started again with the log of an earlier time: a disk that has lost what it had synced. The node comes
    /// back as a new one.
    LoseTail,
    /// SIGKILL, and started again when the others have let go of the log that it lacks.
    Outage,
    /// Everything that was not fsynced is lost, and the process with it.
    PowerCut,
    /// Cut off from its peers, not from its clients, and connected again.
    Disconnect,
    /// Its disk is full with another file for a while: a leader must hand over, and a follower is killed and started.
    FillDisk,
    /// What reads its log is killed; a node goes on while another is killed, and ends and starts in good order.
    LoseLog,
    /// Its wall clock is an hour before the right time from now on, and the leader is killed.
    ClockAhead,
    /// Its wall clock is an hour behind, and the leader is killed.
    ClockBehind,
    /// Its wall clock is right again, and the leader is killed.
    ClockRight,
    /// Its container is removed and made anew, on the old data; one after the other.
    Recreate,
    /// One after the other it is drained, restarted, and well again.
    Roll,
    /// Removed from the cluster by command, ended, its data removed, and added again by command.
    Rejoin,
    /// A further node takes its place by command, and the node, ended and wiped, takes it back.
    Replace,
    /// Two further nodes are added by command, the last one leads, and both are removed again.
    Grow,
    /// All nodes get certificates of another authority while they run; then a follower is killed, and comes back with its own.
    RotateCerts,
    /// Some clients' token is removed from what all nodes know, after they were given another one.
    RevokeToken,
}

/// To which nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Victim {
    Leader,
    Follower,
    Majority,
    All,
    Runner,
}

/// A fault. As text: `kill-leader`, `power-cut-all`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// What is done.
    pub action: Action,
    /// To whom.
    pub victim: Victim,
}

const ACTIONS: [(Action, &str); 21] = [
    (Action::Kill, "kill"),
    (Action::Crash, "crash"),
    (Action::Pause, "pause"),
    (Action::Restart, "restart"),
    (Action::Wipe, "wipe"),
    (Action::LoseTail, "lose-tail"),
    (Action::Outage, "outage"),
    (Action::PowerCut, "power-cut"),
    (Action::Disconnect, "disconnect"),
    (Action::FillDisk, "fill-disk"),
    (Action::LoseLog, "lose-log"),
    (Action::ClockAhead, "clock-ahead"),
    (Action::ClockBehind, "clock-behind"),
    (Action::ClockRight, "clock-right"),
    (Action::Recreate, "recreate"),
    (Action::Roll, "roll"),
    (Action::Rejoin, "rejoin"),
    (Action::Replace, "replace"),
    (Action::Grow, "grow"),
    (Action::RotateCerts, "rotate-certs"),
    (Action::RevokeToken, "revoke-token"),
];

const VICTIMS: [(Victim, &str); 5] = [
    (Victim::Leader, "leader"),
    (Victim::Follower, "follower"),
    (Victim::Majority, "majority"),
    (Victim::All, "all"),
    (Victim::Runner, "runner"),
];

impl Action {
    /// True where nodes must have disks of their own for it.
    pub(crate) fn needs_disks(self) -> bool {
        match self {
            Action::PowerCut | Action::FillDisk => true,
            Action::Kill
            | Action::Crash
            | Action::Pause
            | Action::Restart
            | Action::Wipe
            | Action::LoseTail
            | Action::Outage
            | Action::LoseLog
            | Action::ClockAhead
            | Action::ClockBehind
            | Action::ClockRight
            | Action::Disconnect
            | Action::Recreate
            | Action::Roll
            | Action::Rejoin
            | Action::Replace
            | Action::Grow
            | Action::RotateCerts
            | Action::RevokeToken => false,
        }
    }

    /// How many seconds before the right time it sets a wall clock.
    pub(crate) fn clock(self) -> Option<i64> {
        match self {
            Action::ClockAhead => Some(3_600),
            Action::ClockBehind => Some(-3_600),
            Action::ClockRight => Some(0),
            Action::Kill
            | Action::Crash
            | Action::Pause
            | Action::Restart
            | Action::Wipe
            | Action::LoseTail
            | Action::Outage
            | Action::PowerCut
            | Action::FillDisk
            | Action::LoseLog
            | Action::Disconnect
            | Action::Recreate
            | Action::Roll
            | Action::Rejoin
            | Action::Replace
            | Action::Grow
            | Action::RotateCerts
            | Action::RevokeToken => None,
        }
    }
}

impl Fault {
    /// This to these.
    pub const fn new(action: Action, victim: Victim) -> Fault {
        Fault { action, victim }
    }

    /// True where no more than one node is away at a time, each in its turn, if any.
    pub(crate) fn is_in_turn(self) -> bool {
        matches!(
            self.action,
            Action::Recreate | Action::Roll | Action::Grow | Action::RotateCerts | Action::RevokeToken
        )
    }

    /// True where a leader that goes hands over first: writes go on.
    pub(crate) fn hands_over(self) -> bool {
        matches!(self.action, Action::Recreate | Action::Roll | Action::Replace | Action::Grow)
    }

    /// True where most nodes go on, so that requests through them must succeed.
    pub fn leaves_majority(self) -> bool {
        match self.victim {
            _ if self.is_in_turn() => true,
            // Whose clocks they are does not matter: one node is killed.
            _ if self.action.clock().is_some() => true,
            Victim::Leader | Victim::Follower | Victim::Runner => true,
            Victim::Majority | Victim::All => false,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let action = ACTIONS.iter().find(|(action, _)| *action == self.action).map_or("?", |(_, name)| name);
        let victim = VICTIMS.iter().find(|(victim, _)| *victim == self.victim).map_or("?", |(_, name)| name);
        write!(f, "{action}-{victim}")
    }
}

impl FromStr for Fault {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Fault> {
        let Some((action, victim)) = text.rsplit_once('-') else { bail!("`{text}` is not ACTION-VICTIM") };
        let action = ACTIONS.iter().find(|(_, name)| *name == action);
        let victim = VICTIMS.iter().find(|(_, name)| *name == victim);
        let no = || format!("`{text}` is no fault, for example kill-leader or power-cut-all");
        Ok(Fault::new(action.with_context(no)?.0, victim.with_context(no)?.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_read_as_it_is_written() {
        for (action, _) in ACTIONS {
            for (victim, _) in VICTIMS {
                let fault = Fault::new(action, victim);
                assert_eq!(fault.to_string().parse::<Fault>().unwrap(), fault);
            }
        }
        assert!("kill".parse::<Fault>().is_err());
        assert!("kill-nobody".parse::<Fault>().is_err());
    }
}
