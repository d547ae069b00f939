//! Who meets its own identity at another address has a copy of its data directory, or is one: two processes that vote under one
//! id can elect two leaders. The one that was started later ends, best before it has said anything. And who meets a cluster that
//! was made of its own, by a restore or a recovery, and nobody of its own, was given up.

use std::collections::BTreeSet;

use quorate_proto::peer::v1::{DiscoverRequest, DiscoverResponse};
use quorate_store::StoredMembership;

use crate::peer::{Identity, Run, Transport};
use crate::process::Process;
use crate::{StartError, limits};

/// Asks at every address where somebody may be, before this node says anything of its own.
///
/// # Errors
/// [`StartError::Copy`], [`StartError::GivenUp`].
pub(crate) async fn look_around(process: &Process, stored: &StoredMembership) -> Result<(), StartError> {
    let Some(own_cluster) = process.identity.cluster_id.get() else { return Ok(()) };
    // Its own too, as it is configured and as the membership has it: where another one answers.
    let configured = process.config.peers.iter().map(|(_, addr)| addr.clone());
    let members = stored.membership().nodes().map(|(_, node)| node.peer_addr.clone());
    let mut next: BTreeSet<String> = configured.chain(members).filter(|addr| !addr.is_empty()).collect();
    let (mut asked, mut answers) = (BTreeSet::new(), Vec::new());
    // Others know where this identity was met last.
    while !next.is_empty() {
        let said = ask(process, &next).await;
        asked.append(&mut next);
        let elsewhere = said.iter().map(|(_, answer)| answer.asker_addr.clone());
        next.extend(elsewhere.filter(|addr| !addr.is_empty() && !asked.contains(addr)));
        answers.extend(said);
    }
    judge(own_cluster, process.identity.node_id, answers)
}

/// Whom this node has met before it has said anything.
fn judge(own_cluster: &str, own_id: u64, answers: Vec<(String, DiscoverResponse)>) -> Result<(), StartError> {
    let is_own = |answer: &DiscoverResponse| answer.cluster_id == own_cluster;
    let has_fellows = answers.iter().any(|(_, answer)| is_own(answer) && answer.node_id != own_id);
    for (addr, DiscoverResponse { name, node_id, cluster_id, former_cluster_ids, .. }) in answers {
        let own_cluster = own_cluster.to_owned();
        if cluster_id == own_cluster && node_id == own_id {
            return Err(StartError::Copy { name, node_id, cluster_id, addr });
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

async fn ask(process: &Process, addrs: &BTreeSet<String>) -> Vec<(String, DiscoverResponse)> {
    let question = DiscoverRequest {
        node_id: process.identity.node_id,
        cluster_id: process.identity.cluster_id.get().cloned().unwrap_or_default(),
        name: process.config.name.clone(),
        peer_addr: process.config.peer_addr().unwrap_or_default().to_owned(),
        // Whoever has this identity, and runs, shall not think that it is the copy.
        run: Some(Run::NONE.into()),
        ..DiscoverRequest::default()
    };
    let transport = Transport::new(process.identity.clone());
    let asks = addrs.iter().map(async |addr| {
        let answer =
            tokio::time::timeout(limits::LOOK_AROUND, transport.discover(addr, question.clone())).await;
        Some((addr.clone(), answer.ok()?.ok()?.0))
    });
    futures::future::join_all(asks).await.into_iter().flatten().collect()
}

impl Identity {
    /// True where another process has this identity and was started before this one: they were started at the same time, or
    /// could not reach each other then.
    pub(crate) fn is_copied(&self, cluster_id: &str, node_id: u64, run: Option<Run>) -> bool {
        self.cluster_id.get().is_some_and(|own| own == cluster_id)
            && self.node_id == node_id
            && run.is_some_and(|run| run < self.run)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, OnceLock};

    use super::*;

    fn answer(node_id: u64, cluster_id: &str, former: &[&str]) -> (String, DiscoverResponse) {
        let former_cluster_ids = former.iter().map(ToString::to_string).collect();
        let cluster_id = cluster_id.to_owned();
        ("h:1".to_owned(), DiscoverResponse { node_id, cluster_id, former_cluster_ids, ..Default::default() })
    }

    #[test]
    fn of_two_processes_with_one_identity_the_later_one_sees_that_it_is_a_copy() {
        let first = Run { started_ms: 5, drawn: 9 };
        for later in [Run { started_ms: 6, drawn: 1 }, Run { started_ms: 5, drawn: 10 }, Run::NONE] {
            let identity = |run| {
                let cluster_id = Arc::new(OnceLock::from("a".to_owned()));
                Identity { node_id: 1, cluster_id, run, former: Arc::default() }
            };
            assert!(identity(later).is_copied("a", 1, Some(first)));
            assert!(!identity(first).is_copied("a", 1, Some(later)));
            assert!(!identity(first).is_copied("a", 1, Some(first)));
            assert!(!identity(later).is_copied("a", 2, Some(first)));
            assert!(!identity(later).is_copied("b", 1, Some(first)));
            assert!(!identity(later).is_copied("a", 1, None));
        }
    }

    #[test]
    fn who_starts_and_meets_itself_is_a_copy_whatever_the_clocks_say() {
        let met = judge("a", 1, vec![answer(2, "a", &[]), answer(1, "a", &[])]);
        assert!(matches!(met, Err(StartError::Copy { node_id: 1, .. })), "{met:?}");
        judge("a", 1, vec![answer(2, "a", &[]), answer(1, "b", &[]), answer(1, "", &[])]).unwrap();
    }

    #[test]
    fn who_meets_only_a_cluster_that_its_own_became_was_given_up() {
        let met = judge("a", 1, vec![answer(2, "b", &["0", "a"]), answer(3, "", &[])]);
        assert!(matches!(met, Err(StartError::GivenUp { .. })), "{met:?}");
        judge("a", 1, vec![answer(2, "b", &["0"])]).unwrap();
        // Somebody has made a cluster of a backup of a cluster that lives.
        judge("a", 1, vec![answer(2, "b", &["0", "a"]), answer(3, "a", &[])]).unwrap();
    }
}
