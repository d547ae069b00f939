use std::fmt;

use quorate_client::api::{Cluster, Member};

/// How a cluster is, as one of its nodes sees it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum State<'a> {
    /// It has no members yet.
    Forming { node: &'a str },
    /// Fewer voters answer than must agree.
    NoMajority { voters: usize, silent: Vec<&'a str>, quorum: usize },
    /// Enough do, and none of them leads.
    NoLeader,
    /// It takes writes; some voters do not answer.
    Degraded { voters: usize, silent: Vec<&'a str>, tolerates: usize },
    /// It takes writes, and all voters answer.
    Healthy { voters: usize, tolerates: usize },
}

impl State<'_> {
    pub(super) fn of(cluster: &Cluster) -> State<'_> {
        let voters: Vec<&Member> = cluster.members.iter().filter(|member| member.role != "learner").collect();
        let silent: Vec<&str> =
            voters.iter().filter(|voter| !voter.reachable).map(|voter| voter.name.as_str()).collect();
        let leads = |voter: &&Member| voter.reachable && voter.role == "leader";
        let (leader, voters) = (voters.iter().copied().any(|voter| leads(&voter)), voters.len());
        match () {
            () if voters == 0 => State::Forming { node: &cluster.node },
            () if voters - silent.len() < cluster.quorum => {
                State::NoMajority { voters, silent, quorum: cluster.quorum }
            }
            () if !leader => State::NoLeader,
            () if silent.is_empty() => State::Healthy { voters, tolerates: cluster.tolerates },
            () => State::Degraded { voters, silent, tolerates: cluster.tolerates },
        }
    }

    /// Whether it can take writes.
    pub(super) fn takes_writes(&self) -> bool {
        match self {
            State::Healthy { .. } | State::Degraded { .. } => true,
            State::Forming { .. } | State::NoMajority { .. } | State::NoLeader => false,
        }
    }
}

impl fmt::Display for State<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let some = |silent: &[&str], voters: &usize| {
            let (count, names) = (silent.len(), silent.join(", "));
            let verb = if count == 1 { "does" } else { "do" };
            format!("{count} of {voters} voters {verb} not answer ({names})")
        };
        match self {
            State::Forming { node } => write!(
                f,
                "forming: {node} is not in a cluster yet; its log says what it waits for (all nodes of --peers must run)"
            ),
            State::NoMajority { voters, silent, quorum } => write!(
                f,
                "NO MAJORITY: {}, and {quorum} must agree: no writes until more of them are back",
                some(silent, voters)
            ),
            State::NoLeader => {
                write!(f, "NO LEADER: no writes until one is elected, which takes a second or two")
            }
            State::Degraded { voters, silent, tolerates: 0 } => {
                write!(f, "degraded: {}; no other may fail", some(silent, voters))
            }
            State::Degraded { voters, silent, tolerates } => {
                write!(f, "degraded: {}; {tolerates} more may fail", some(silent, voters))
            }
            State::Healthy { voters: 1, .. } => write!(f, "healthy: the one node answers; it may not fail"),
            State::Healthy { voters, tolerates } => {
                write!(f, "healthy: all {voters} voters answer; {tolerates} may fail")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Voters as letters: `L` leads, `f` follows, each with a `-` behind it when it does not answer; `l` is a learner.
    fn cluster(members: &str) -> Cluster {
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
                applied_index: None,
                reachable: !member.ends_with('-'),
                clock_offset_ms: None,
                feature_level: None,
                version: None,
                uptime_seconds: None,
                disk: None,
            })
            .collect();
        let voters = all.iter().filter(|member| member.role != "learner");
        let up = voters.clone().filter(|voter| voter.reachable).count();
        let quorum = voters.count() / 2 + 1;
        Cluster {
            id: String::new(),
            node: "n1".into(),
            leader: None,
            term: 1,
            log_time_offset_ms: None,
            feature_level: 1,
            members: all,
            quorum,
            tolerates: up.saturating_sub(quorum),
        }
    }

    #[test]
    fn an_emergency_is_told_from_what_works() {
        let table = [
            ("L f f", true, "healthy: all 3 voters answer; 1 may fail"),
            ("L f f l-", true, "healthy: all 3 voters answer; 1 may fail"),
            ("L", true, "healthy: the one node answers; it may not fail"),
            ("L f f-", true, "degraded: 1 of 3 voters does not answer (n3); no other may fail"),
            ("L f f f f-", true, "degraded: 1 of 5 voters does not answer (n5); 1 more may fail"),
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
