use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use quorate_proto::peer::v1::{DiscoverRequest, DiscoverResponse};
use quorate_store::{LogId, ProtoForm};
use tokio::net::TcpStream;

use super::{Found, FoundMember, Place};
use crate::limits;
use crate::peer::tls::speaks_tls;
use crate::peer::{Identity, PeerTls, Roster, Run, Transport};

/// Who answers where members of a cluster were, or may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answering {
    /// A member.
    Member {
        /// Which one.
        member: FoundMember,
        /// The last entry of its log.
        last: Option<Place>,
        /// Its table goes up to this log index.
        applied_index: u64,
    },
    /// A member that the directory does not know: they have changed since.
    Newcomer {
        /// Its name,
        name: String,
        /// and where it is.
        addr: String,
    },
    /// The node itself: it runs on another directory, and this one is a copy or was copied.
    Itself {
        /// Where.
        addr: String,
    },
    /// Somebody who takes connections and is not understood: it may be the member that was there.
    Masked {
        /// The member's name,
        name: String,
        /// and where it was.
        addr: String,
        /// What is known of why.
        why: String,
    },
    /// A node of a cluster that was restored or recovered from this one before.
    Successor {
        /// The node's name,
        name: String,
        /// and where it is.
        addr: String,
        /// Its cluster.
        cluster_id: String,
    },
}

/// Who answers at the addresses of all members, and of `peers`.
pub(super) async fn ask_around(
    found: &Found,
    peers: &[(String, String)],
    tls: Option<PeerTls>,
) -> Vec<Answering> {
    let asker = Asker::new(found, tls);
    let members = found.members.iter().map(|member| (member.peer_addr.as_str(), member.name.as_str()));
    let peers = peers.iter().map(|(name, addr)| (addr.as_str(), name.as_str()));
    let who_was_where: BTreeMap<&str, &str> = peers.chain(members).collect();
    let asks = who_was_where.into_iter().map(|(addr, name)| asker.ask(name, addr));
    futures::future::join_all(asks).await.into_iter().flatten().collect()
}

struct Asker<'a> {
    found: &'a Found,
    question: DiscoverRequest,
    transport: Transport,
    has_certificate: bool,
}

impl Asker<'_> {
    fn new(found: &Found, tls: Option<PeerTls>) -> Asker<'_> {
        let Found { node_id, name, cluster_id, .. } = found.clone();
        let question = DiscoverRequest {
            node_id,
            cluster_id: cluster_id.clone(),
            name: name.clone(),
            run: Some(Run::NONE.into()),
            ..DiscoverRequest::default()
        };
        let cluster_id = Arc::new(OnceLock::from(cluster_id));
        let identity = Identity { node_id, cluster_id, run: Run::NONE, former: Arc::default() };
        let has_certificate = tls.is_some();
        let roster = Roster::of(identity.clone(), &name, BTreeSet::new());
        Asker { found, question, transport: Transport::new(identity, roster, tls), has_certificate }
    }

    /// Nobody who listens at `addr` is taken for nobody.
    async fn ask(&self, name: &str, addr: &str) -> Option<Answering> {
        let mut why = String::new();
        for round in 0..limits::RECOVER_ROUNDS {
            if round > 0 {
                tokio::time::sleep(limits::RECOVER_PAUSE).await;
            }
            // Whoever it is: what anybody says can only speak against a recovery.
            match self.transport.discover_anybody(addr, self.question.clone()).await {
                Ok(met) => return self.found.understand(addr, met.answer),
                Err(status) => status.message().clone_into(&mut why),
            }
        }
        if !listens(addr).await {
            return None;
        }
        if let Some(refusal) = self.transport.refusals.of(addr) {
            why = refusal;
        } else if !self.has_certificate && speaks_tls(addr).await.unwrap_or(false) {
            why =
                "it speaks TLS: give this node's certificate (--peer-cert, --peer-key, --peer-ca)".to_owned();
        }
        Some(Answering::Masked { name: name.to_owned(), addr: addr.to_owned(), why })
    }
}

impl Found {
    /// `None`: what is there is no member any more, or never was one.
    fn understand(&self, addr: &str, answer: DiscoverResponse) -> Option<Answering> {
        let addr = addr.to_owned();
        let last = answer.last_log_id.and_then(|id| LogId::from_message(id).ok()).map(Place::from);
        let DiscoverResponse { name, node_id, cluster_id, applied_index, initialised, .. } = answer;
        if answer.former_cluster_ids.contains(&self.cluster_id) {
            return Some(Answering::Successor { name, addr, cluster_id });
        }
        if cluster_id != self.cluster_id || answer.removed {
            return None;
        }
        if node_id == self.node_id {
            return Some(Answering::Itself { addr });
        }
        match self.members.iter().find(|member| member.id == node_id) {
            Some(_) if initialised && last.is_none() => {
                let why = "it knows no node of this id, and does not say how far its log is".to_owned();
                Some(Answering::Masked { name, addr, why })
            }
            Some(member) => Some(Answering::Member { member: member.clone(), last, applied_index }),
            None => initialised.then_some(Answering::Newcomer { name, addr }),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the edge")]
async fn listens(addr: &str) -> bool {
    tokio::time::timeout(limits::CONNECT, TcpStream::connect(addr)).await.is_ok_and(|made| made.is_ok())
}

#[cfg(test)]
mod tests {
    use quorate_proto::log::v1;
    use quorate_tls::testing::{ca, issue, open, trust};

    use super::*;
    use crate::starting::Starting;
    use crate::{NodeConfig, peer_server};

    fn found() -> Found {
        let member = |id| FoundMember { id, ..FoundMember::default() };
        Found {
            node_id: 1,
            cluster_id: "a".into(),
            members: [1, 2, 3].map(member).into(),
            ..Found::default()
        }
    }

    fn answer(node_id: u64, cluster_id: &str, former: &[&str]) -> DiscoverResponse {
        DiscoverResponse {
            node_id,
            cluster_id: cluster_id.to_owned(),
            former_cluster_ids: former.iter().map(ToString::to_string).collect(),
            initialised: true,
            last_log_id: Some(v1::LogId { term: 2, index: 9 }),
            ..Default::default()
        }
    }

    #[test]
    fn who_answers_is_a_member_old_or_new_or_the_node_itself_or_a_successor() {
        let understand = |answer| found().understand("h:1", answer);
        let last = Some(Place { term: 2, index: 9 });
        assert!(
            matches!(understand(answer(2, "a", &[])), Some(Answering::Member { last: at, .. }) if at == last)
        );
        assert!(matches!(understand(answer(4, "a", &[])), Some(Answering::Newcomer { .. })));
        assert!(matches!(understand(answer(1, "a", &["0"])), Some(Answering::Itself { .. })));
        assert!(matches!(understand(answer(2, "b", &["0", "a"])), Some(Answering::Successor { .. })));
        assert_eq!(understand(answer(2, "b", &["0"])), None);
        for id in [2, 4] {
            assert_eq!(understand(DiscoverResponse { removed: true, ..answer(id, "a", &[]) }), None);
        }
        let without_log = |id, initialised| {
            understand(DiscoverResponse { initialised, last_log_id: None, ..answer(id, "a", &[]) })
        };
        assert!(matches!(without_log(2, false), Some(Answering::Member { last: None, .. })));
        assert!(matches!(without_log(2, true), Some(Answering::Masked { .. })));
        assert_eq!(without_log(4, false), None, "it is none yet");
    }

    #[tokio::test]
    async fn only_where_nobody_listens_nobody_is() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = silent.local_addr().unwrap().to_string();
        let peers = [("n2".to_owned(), addr.clone())];
        let ask = async || ask_around(&Found { members: Vec::new(), ..found() }, &peers, None).await;
        let met = ask().await;
        assert!(
            matches!(&met[..], [Answering::Masked { name, addr: at, .. }] if name == "n2" && *at == addr),
            "{met:?}"
        );
        drop(silent);
        assert_eq!(ask().await, []);
    }

    #[tokio::test]
    async fn who_is_starting_is_there() {
        let (dir, ca) = (tempfile::tempdir().unwrap(), ca());
        let tls = |name: &str| {
            issue(dir.path(), &ca, name, None);
            PeerTls { identity: open(dir.path(), name).unwrap(), trust: trust(dir.path(), &[&ca]) }
        };
        for (own, other) in [(None, None), (Some(tls("n1")), Some(tls("n2")))] {
            let listener = peer_server::bind("127.0.0.1:0").await.unwrap().listen(4).unwrap();
            let addr = listener.local_addr().unwrap().to_string();
            let peers = vec![("n2".to_owned(), addr.clone())];
            let mut config = NodeConfig::new("n2", "unused", &addr, "h:80", peers.clone());
            config.tls = other;
            let starting = Starting::serve(&config, Arc::new(listener));
            let found = Found { name: "n1".into(), members: Vec::new(), ..found() };
            let met = ask_around(&found, &peers, own.clone()).await;
            assert!(
                matches!(&met[..], [Answering::Masked { why, .. }] if why.contains("it is starting")),
                "{met:?}"
            );
            starting.end().await;
            assert_eq!(ask_around(&found, &peers, own).await, []);
        }
    }
}
