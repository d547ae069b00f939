//! Who meets its own identity at another address has a copy of its data directory, or is one: two processes that vote under one
//! id can elect two leaders. One of them ends: the one that starts before it has said anything, else the one that has less. And who meets a cluster that
//! was made of its own, by a restore or a recovery, and nobody of its own, was given up.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;

use quorate_proto::peer::v1::{DiscoverRequest, DiscoverResponse};
use quorate_store::{LogId, ProtoForm, StoredMembership, Vote};
use tokio::time::Instant;

use crate::peer::{Identity, Roster, Run};
use crate::process::Process;
use crate::{StartError, limits};

/// Asks at every address where somebody may be, before this node says anything of its own.
///
/// # Errors
/// [`StartError::Copy`], [`StartError::GivenUp`].
pub(crate) async fn look_around(
    process: &Process,
    stored: &StoredMembership,
    own: Position,
) -> Result<(), StartError> {
    let Some(own_cluster) = process.identity.cluster_id.get() else { return Ok(()) };
    // Its own too, as it is configured and as the membership has it: where another one answers.
    let configured = process.config.peers.iter().map(|(_, addr)| addr.clone());
    let members = stored.membership().nodes().map(|(_, node)| node.peer_addr.clone());
    let known: BTreeSet<String> = configured.chain(members).filter(|addr| !addr.is_empty()).collect();
    // Raft does not run yet: those of the membership are known as those of the configuration are.
    let names = process.config.peers.iter().map(|(name, _)| name);
    let names = names.chain(stored.membership().nodes().map(|(_, node)| &node.name)).cloned().collect();
    let roster = Roster::of(process.identity.clone(), &process.config.name, names);
    let until = Instant::now() + limits::GIVEN_UP;
    loop {
        let answers = ask_around(process, &roster, known.clone()).await;
        match judge(own_cluster, process.identity.node_id, own, answers) {
            // One of its own may be about to answer.
            Err(StartError::GivenUp { .. }) if Instant::now() < until => {
                tokio::time::sleep(limits::JOIN_PAUSE).await;
            }
            judged => return judged,
        }
    }
}

/// Who answers, at which address.
async fn ask_around(
    process: &Process,
    roster: &Roster,
    mut next: BTreeSet<String>,
) -> Vec<(String, DiscoverResponse)> {
    let (mut asked, mut answers) = (BTreeSet::new(), Vec::new());
    // Others know where this identity was met last.
    while !next.is_empty() {
        let said = ask(process, roster, &next).await;
        asked.append(&mut next);
        let elsewhere = said.iter().map(|(_, answer)| answer.asker_addr.clone());
        next.extend(elsewhere.filter(|addr| !addr.is_empty() && !asked.contains(addr)));
        answers.extend(said);
    }
    answers
}

/// Whom this node has met before it has said anything.
fn judge(
    own_cluster: &str,
    own_id: u64,
    own: Position,
    answers: Vec<(String, DiscoverResponse)>,
) -> Result<(), StartError> {
    let is_own = |answer: &DiscoverResponse| answer.cluster_id == own_cluster;
    let has_fellows = answers.iter().any(|(_, answer)| is_own(answer) && answer.node_id != own_id);
    for (addr, answer) in answers {
        let there = Position::of(&answer);
        let DiscoverResponse { name, node_id, cluster_id, former_cluster_ids, .. } = answer;
        let own_cluster = own_cluster.to_owned();
        if cluster_id == own_cluster && node_id == own_id {
            let says = own.beside(there);
            return Err(StartError::Copy { name, node_id, cluster_id, addr, says });
        }
        if former_cluster_ids.contains(&own_cluster) {
            if !has_fellows {
                return Err(StartError::GivenUp { name, addr, cluster_id: own_cluster, now: cluster_id });
            }
            tracing::error!(
                name,
                addr,
                cluster_id,
                "a node belongs to a cluster that was restored or recovered from this one, which lives: it takes no part here"
            );
        } else if !cluster_id.is_empty() && cluster_id != own_cluster {
            tracing::error!(
                name,
                addr,
                cluster_id,
                own_cluster,
                "a node at a peer's address belongs to another cluster"
            );
        }
    }
    Ok(())
}

async fn ask(
    process: &Process,
    roster: &Roster,
    addrs: &BTreeSet<String>,
) -> Vec<(String, DiscoverResponse)> {
    let question = DiscoverRequest {
        node_id: process.identity.node_id,
        cluster_id: process.identity.cluster_id.get().cloned().unwrap_or_default(),
        name: process.config.name.clone(),
        peer_addr: process.config.peer_addr().unwrap_or_default().to_owned(),
        // Whoever has this identity, and runs, shall not think that it is the copy.
        run: Some(Run::NONE.into()),
        ..DiscoverRequest::default()
    };
    let transport = process.transport.anew(roster.clone());
    let asks = addrs.iter().map(async |addr| {
        let answer =
            tokio::time::timeout(limits::LOOK_AROUND, transport.discover(addr, question.clone())).await;
        Some((addr.clone(), answer.ok()?.ok()?.0))
    });
    futures::future::join_all(asks).await.into_iter().flatten().collect()
}

/// How far a data directory is. Of two that were copied from each other, the one that has more is the newer one.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Position {
    /// The last entry of its log.
    pub(crate) last: Option<LogId>,
    /// The last vote that was given.
    pub(crate) vote: Option<Vote>,
}

/// Another process with this node's identity, and what there is to say of the two.
#[derive(Debug, PartialEq)]
pub(crate) enum Double {
    /// There is none.
    None,
    /// It has less, and ends by itself.
    Behind(String),
    /// It has no less, or was started before.
    NotBehind(String),
}

impl From<(Option<LogId>, Option<Vote>)> for Position {
    fn from((last, vote): (Option<LogId>, Option<Vote>)) -> Position {
        Position { last, vote }
    }
}

impl Position {
    fn of(answer: &DiscoverResponse) -> Position {
        Position {
            last: answer.last_log_id.and_then(|id| LogId::from_message(id).ok()),
            vote: answer.vote.and_then(|vote| Vote::from_message(vote).ok()),
        }
    }

    /// What to say of this process's directory and the one of another process with its identity.
    fn beside(self, there: Position) -> String {
        match self.partial_cmp(&there) {
            Some(Ordering::Less) => format!(
                "This directory is the older one: it has {self}, and the one there {there}. Keep that one, and do not start this one again"
            ),
            Some(Ordering::Greater) => format!(
                "The directory there is the older one: it has {there}, and this one {self}. Keep this one, stop the process there, and then \
                 start this one"
            ),
            Some(Ordering::Equal) => {
                format!("Both have the same, {self}: keep one of them running, and never start the other one")
            }
            None => format!(
                "Which of the two is the newer one is not clear: this one has {self}, and the one there {there}. Delete neither. Stop both, \
                 look at each with `quorate recover --force-single --data-dir DIR`, which changes nothing, and go on with the one whose \
                 last entry is of the higher term, or else is the higher one"
            ),
        }
    }
}

impl PartialOrd for Position {
    fn partial_cmp(&self, other: &Position) -> Option<Ordering> {
        match (self.last.cmp(&other.last), self.vote.partial_cmp(&other.vote)?) {
            (last, vote) if last == vote => Some(last),
            (Ordering::Equal, one) | (one, Ordering::Equal) => Some(one),
            (_, _) => None,
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.last {
            Some(last) => write!(f, "entry {} of term {}", last.index, last.leader_id.term)?,
            None => f.write_str("no entry")?,
        }
        self.vote.map_or(Ok(()), |vote| write!(f, " and a vote in term {}", vote.leader_id.term))
    }
}

impl Identity {
    /// Whether who answered is another process with this identity: they were started at the same time, or could not reach each
    /// other then. The one that has less ends; of two that have the same, the one that was started later; where neither can be said,
    /// both.
    pub(crate) fn double(&self, own: Position, answer: &DiscoverResponse) -> Double {
        let is_same = self.cluster_id.get() == Some(&answer.cluster_id) && self.node_id == answer.node_id;
        let Some(run) = answer.run.map(Run::from).filter(|run| is_same && *run != self.run) else {
            return Double::None;
        };
        let there = Position::of(answer);
        let says = own.beside(there);
        match own.partial_cmp(&there) {
            Some(Ordering::Greater) => Double::Behind(says),
            Some(Ordering::Equal) if self.run < run => Double::Behind(says),
            Some(Ordering::Equal | Ordering::Less) | None => Double::NotBehind(says),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, OnceLock};

    use openraft::vote::leader_id_std::CommittedLeaderId;

    use super::*;

    fn answer(node_id: u64, cluster_id: &str, former: &[&str]) -> (String, DiscoverResponse) {
        let former_cluster_ids = former.iter().map(ToString::to_string).collect();
        let cluster_id = cluster_id.to_owned();
        ("h:1".to_owned(), DiscoverResponse { node_id, cluster_id, former_cluster_ids, ..Default::default() })
    }

    fn position(term: u64, index: u64, vote: u64) -> Position {
        let last = LogId { leader_id: CommittedLeaderId::new(term), index };
        Position { last: Some(last), vote: Some(Vote::new(vote, 1)) }
    }

    #[test]
    fn the_higher_term_counts_before_the_longer_log_and_the_vote_must_agree() {
        assert!(position(3, 5, 3) > position(2, 9, 2));
        assert!(position(3, 5, 3) > position(3, 4, 3));
        assert!(position(3, 5, 4) > position(3, 5, 3));
        assert_eq!(position(3, 5, 3).partial_cmp(&position(3, 5, 3)), Some(Ordering::Equal));
        assert_eq!(position(3, 5, 3).partial_cmp(&position(3, 4, 4)), None);
        assert!(position(1, 1, 1) > Position::default());
    }

    #[test]
    fn of_two_processes_with_one_identity_the_one_that_has_less_ends_and_of_equals_the_later() {
        let (early, late) = (Run { started_ms: 5, drawn: 9 }, Run { started_ms: 5, drawn: 10 });
        let met = |own_run, own: Position, run: Run, there: Position| {
            let cluster_id = Arc::new(OnceLock::from("a".to_owned()));
            let identity = Identity { node_id: 1, cluster_id, run: own_run, former: Arc::default() };
            let (last_log_id, vote) =
                (there.last.map(|id| id.to_message()), there.vote.map(|vote| vote.to_message()));
            let (_, answer) = answer(1, "a", &[]);
            identity.double(own, &DiscoverResponse { run: Some(run.into()), last_log_id, vote, ..answer })
        };
        let (less, more) = (position(3, 4, 3), position(3, 5, 3));
        assert!(
            matches!(met(early, less, late, more), Double::NotBehind(says) if says.contains("This directory is the older one"))
        );
        assert!(
            matches!(met(late, more, early, less), Double::Behind(says) if says.contains("The directory there is the older one"))
        );
        assert!(matches!(met(late, more, early, more), Double::NotBehind(_)));
        assert!(matches!(met(early, more, late, more), Double::Behind(_)));
        for run in [early, late] {
            let unclear = met(run, position(3, 4, 4), Run { started_ms: 5, drawn: 1 }, more);
            assert!(matches!(unclear, Double::NotBehind(says) if says.contains("Delete neither")));
        }
        assert_eq!(met(early, less, early, less), Double::None, "it has asked itself");
    }

    #[test]
    fn who_starts_and_meets_itself_is_a_copy_whatever_the_clocks_say() {
        let met = judge("a", 1, Position::default(), vec![answer(2, "a", &[]), answer(1, "a", &[])]);
        assert!(matches!(met, Err(StartError::Copy { node_id: 1, .. })), "{met:?}");
        judge(
            "a",
            1,
            Position::default(),
            vec![answer(2, "a", &[]), answer(1, "b", &[]), answer(1, "", &[])],
        )
        .unwrap();
    }

    #[test]
    fn who_meets_only_a_cluster_that_its_own_became_was_given_up() {
        let met = judge("a", 1, Position::default(), vec![answer(2, "b", &["0", "a"]), answer(3, "", &[])]);
        assert!(matches!(met, Err(StartError::GivenUp { .. })), "{met:?}");
        judge("a", 1, Position::default(), vec![answer(2, "b", &["0"])]).unwrap();
        // Somebody has made a cluster of a backup of a cluster that lives.
        judge("a", 1, Position::default(), vec![answer(2, "b", &["0", "a"]), answer(3, "a", &[])]).unwrap();
    }
}
