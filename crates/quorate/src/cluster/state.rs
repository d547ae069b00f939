use std::fmt;

use quorate_client::api::{Cluster, Member, Warning};

use crate::number::counted;

/// How a cluster is, as one of its nodes sees it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum State<'a> {
    /// It has no members yet.
    Forming { node: &'a str, why: Option<&'a str> },
    /// The node that answers is no member, and nobody has asked for it.
    Applicant { node: &'a str },
    /// The node that answers was removed.
    Removed { node: &'a str },
    /// Fewer voters answer than must agree.
    NoMajority { voters: usize, silent: Vec<&'a str>, quorum: usize },
    /// Enough do, and none of them leads.
    NoLeader,
    /// No voter that answers has room on its disk: new jobs are refused.
    NoRoom { short: Vec<&'a str> },
    /// It takes writes; some voters do not answer, are short of room, or have much to catch up with, in the words of `behind`.
    Degraded {
        voters: usize,
        silent: Vec<&'a str>,
        short: Vec<&'a str>,
        behind: Vec<&'a str>,
        tolerates: usize,
    },
    /// It takes writes, all voters answer, have room and keep up.
    Healthy { voters: usize, tolerates: usize },
}

/// The state of a disk on which new jobs find room; the others are `short` and `full`.
const ROOM: &str = "room";

/// The warning of a node that it cannot speak to another one.
pub(super) const PEER_REFUSED: &str = "peer_refused";

/// That of a node which sees no majority.
pub(super) const NO_MAJORITY: &str = "no_majority";

impl State<'_> {
    pub(super) fn of(cluster: &Cluster) -> State<'_> {
        let voters: Vec<&Member> = cluster.members.iter().filter(|member| member.role != "learner").collect();
        let silent: Vec<&str> =
            voters.iter().filter(|voter| !voter.reachable).map(|voter| voter.name.as_str()).collect();
        let short: Vec<&str> = voters
            .iter()
            .filter(|voter| voter.reachable && voter.disk.as_ref().is_some_and(|disk| disk.state != ROOM))
            .map(|voter| voter.name.as_str())
            .collect();
        let leads = |voter: &&Member| voter.reachable && voter.role == "leader";
        let (leader, voters) = (voters.iter().copied().any(|voter| leads(&voter)), voters.len());
        match () {
            () if cluster.standing == "applicant" => State::Applicant { node: &cluster.node },
            () if cluster.standing == "removed" => State::Removed { node: &cluster.node },
            () if voters == 0 => {
                let refused = cluster.warnings.iter().find(|warning| warning.kind == PEER_REFUSED);
                State::Forming { node: &cluster.node, why: refused.map(|warning| warning.message.as_str()) }
            }
            () if voters - silent.len() < cluster.quorum => {
                State::NoMajority { voters, silent, quorum: cluster.quorum }
            }
            () if !leader => State::NoLeader,
            () if short.len() + silent.len() == voters => State::NoRoom { short },
            () => {
                // Who answers and is not counted has not applied what the others have.
                let all_count = voters - silent.len() - cluster.quorum <= cluster.tolerates;
                let is_of = |warning: &&Warning| !all_count && warning.kind == "lagging";
                let behind = cluster.warnings.iter().filter(is_of).map(|warning| warning.message.as_str());
                let (behind, tolerates) = (behind.collect::<Vec<_>>(), cluster.tolerates);
                match silent.is_empty() && short.is_empty() && behind.is_empty() {
                    true => State::Healthy { voters, tolerates },
                    false => State::Degraded { voters, silent, short, behind, tolerates },
                }
            }
        }
    }

    /// Whether it can take writes, new jobs too.
    pub(super) fn takes_writes(&self) -> bool {
        match self {
            State::Healthy { .. } | State::Degraded { .. } => true,
            State::Forming { .. }
            | State::Applicant { .. }
            | State::Removed { .. }
            | State::NoMajority { .. }
            | State::NoLeader
            | State::NoRoom { .. } => false,
        }
    }
}

impl fmt::Display for State<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let some = |some: &[&str], voters: &usize, one: &str, several: &str| {
            let (count, names) = (some.len(), some.join(", "));
            let what = if count == 1 { one } else { several };
            format!("{count} of {} {what} ({names})", counted(voters, "voter"))
        };
        let silent_ones =
            |silent: &[&str], voters: &usize| some(silent, voters, "does not answer", "do not answer");
        match self {
            State::Forming { node, why: Some(why) } => {
                write!(f, "forming: {node} is not in a cluster yet: {why}")
            }
            State::Forming { node, why: None } => write!(
                f,
                "forming: {node} is not in a cluster yet; its log and its /readyz say what it waits for (for a new cluster all nodes of --peers \
                 must run)"
            ),
            State::Applicant { node } => write!(
                f,
                "no member: {node} waits until somebody asks for it, at a node of the cluster: quorate cluster member add {node}"
            ),
            State::Removed { node } => write!(
                f,
                "removed: {node} is no member of the cluster any more; what follows is what it knew last. Stop it; to have it \
                 join again, wipe its data directory"
            ),
            State::NoMajority { voters, silent, quorum } => write!(
                f,
                "NO MAJORITY: {}, and {quorum} must agree: no writes until more of them are back. Where they are lost for good: `quorate \
                 recover --help`",
                silent_ones(silent, voters)
            ),
            State::NoLeader => {
                write!(f, "NO LEADER: no writes until one is elected, which takes a second or two")
            }
            State::NoRoom { short } => write!(
                f,
                "NO ROOM: no voter that answers has room on its disk ({}): no new jobs until one has; finishing and \
                 deleting jobs goes on, and makes room",
                short.join(", ")
            ),
            State::Degraded { voters, silent, short, behind, tolerates } => {
                f.write_str("degraded: ")?;
                if !silent.is_empty() {
                    write!(f, "{}; ", silent_ones(silent, voters))?;
                }
                if !short.is_empty() {
                    write!(f, "{}; ", some(short, voters, "is short of room", "are short of room"))?;
                }
                for behind in behind {
                    write!(f, "{behind}; ")?;
                }
                match (silent.is_empty() && behind.is_empty(), tolerates) {
                    (true, _) => write!(f, "{tolerates} may fail"),
                    (false, 0) => write!(f, "no other may fail"),
                    (false, _) => write!(f, "{tolerates} more may fail"),
                }
            }
            State::Healthy { voters: 1, .. } => write!(f, "healthy: the one node answers; it may not fail"),
            State::Healthy { voters, tolerates } => {
                write!(f, "healthy: all {voters} voters answer; {tolerates} may fail")
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use quorate_client::api::Disk;

    use super::*;

    /// Voters as letters: `L` leads, `f` follows; `l` is a learner. Behind it a `-` when it does not answer, an `s` when its
    /// disk is short of room, an `x` when it is full.
    pub(crate) fn cluster(members: &str) -> Cluster {
        let all: Vec<Member> = members
            .split_whitespace()
            .enumerate()
            .map(|(n, member)| Member {
                name: format!("n{}", n + 1),
                id: n.to_string(),
                role: match &member[..1] {
                    "L" => "leader",
                    "f" => "follower",
                    _ => "learner",
                }
                .into(),
                peer_addr: String::new(),
                http_addr: String::new(),
                term: None,
                applied_index: None,
                draining: false,
                insecure: false,
                reachable: !member.ends_with('-'),
                clock_offset_ms: None,
                feature_level: None,
                version: None,
                uptime_seconds: None,
                disk: [("s", "short"), ("x", "full"), ("f", ROOM)]
                    .into_iter()
                    .find(|(end, _)| member.ends_with(end))
                    .map(|(_, state)| Disk { state: state.into(), free_bytes: 1 }),
            })
            .collect();
        let voters = all.iter().filter(|member| member.role != "learner");
        let up = voters.clone().filter(|voter| voter.reachable).count();
        let quorum = voters.count() / 2 + 1;
        Cluster {
            id: String::new(),
            node: "n1".into(),
            standing: "member".into(),
            leader: None,
            term: 1,
            log_time_offset_ms: None,
            feature_level: 1,
            members_index: 1,
            members: all,
            outsiders: Vec::new(),
            quorum,
            tolerates: up.saturating_sub(quorum),
            warnings: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::cluster;
    use super::*;

    #[test]
    fn a_node_that_is_no_member_says_so_first() {
        for (standing, says) in
            [("applicant", "no member: n1 waits"), ("removed", "removed: n1 is no member")]
        {
            let cluster = Cluster { standing: standing.into(), ..cluster("L f f") };
            let state = State::of(&cluster);
            assert!(state.to_string().starts_with(says), "{state}");
            assert!(!state.takes_writes());
        }
    }

    #[test]
    fn a_node_that_forms_no_cluster_says_who_does_not_let_it() {
        let refused =
            Warning { kind: PEER_REFUSED.into(), message: "n2 at a:1 cannot be spoken to: x".into() };
        let cluster = Cluster { warnings: vec![refused], ..cluster("") };
        let said = State::of(&cluster).to_string();
        assert_eq!(said, "forming: n1 is not in a cluster yet: n2 at a:1 cannot be spoken to: x");
    }

    #[test]
    fn a_voter_that_has_much_to_apply_is_none_that_may_be_needed() {
        let lagging = Warning { kind: "lagging".into(), message: "n2 is 56497 log entries behind".into() };
        let cluster = Cluster { warnings: vec![lagging], ..cluster("L f f") };
        assert!(matches!(State::of(&cluster), State::Healthy { .. }), "it may be a learner");
        let cluster = Cluster { tolerates: 0, ..cluster };
        let state = State::of(&cluster);
        assert_eq!(state.to_string(), "degraded: n2 is 56497 log entries behind; no other may fail");
        assert!(state.takes_writes());
    }

    #[test]
    fn an_emergency_is_told_from_what_works() {
        let table = [
            ("L f f", true, "healthy: all 3 voters answer; 1 may fail"),
            ("L f f l-", true, "healthy: all 3 voters answer; 1 may fail"),
            ("L", true, "healthy: the one node answers; it may not fail"),
            ("L f f-", true, "degraded: 1 of 3 voters does not answer (n3); no other may fail"),
            ("L f f f f-", true, "degraded: 1 of 5 voters does not answer (n5); 1 more may fail"),
            ("Ls f f", true, "degraded: 1 of 3 voters is short of room (n1); 1 may fail"),
            ("L fs fx", true, "degraded: 2 of 3 voters are short of room (n2, n3); 1 may fail"),
            (
                "Ls f f-",
                true,
                "degraded: 1 of 3 voters does not answer (n3); 1 of 3 voters is short of room (n1); no other may fail",
            ),
            ("Ls f f ls", true, "degraded: 1 of 3"),
            ("L f f lx", true, "healthy"),
            (
                "Ls fx fs",
                false,
                "NO ROOM: no voter that answers has room on its disk (n1, n2, n3): no new jobs",
            ),
            ("Ls fs f-", false, "NO ROOM: no voter that answers has room on its disk (n1, n2)"),
            ("Lx l", false, "NO ROOM"),
            ("Ls f- f-", false, "NO MAJORITY"),
            ("L- f f", false, "NO LEADER"),
            ("f f f", false, "NO LEADER"),
            ("L f- f-", false, "NO MAJORITY: 2 of 3 voters do not answer (n2, n3), and 2 must agree"),
            ("f L- f-", false, "NO MAJORITY"),
            ("", false, "forming: n1 is not in a cluster yet"),
            ("l", false, "forming"),
        ];
        for (members, takes_writes, says) in table {
            let cluster = cluster(members);
            let state = State::of(&cluster);
            assert_eq!(state.takes_writes(), takes_writes, "{members}: {state}");
            assert!(state.to_string().starts_with(says), "{members}: {state}");
        }
    }
}
