use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use parking_lot::Mutex;
use quorate_proto::log::v1::Member;
use quorate_proto::peer::v1 as pb;
use quorate_store::{LogEnd, Node, NodeId, ProtoForm};
use quorate_tls::Ends;
use tokio::sync::{Semaphore, watch};
use tonic::Code;

use crate::cluster::meeting::{Double, Position};
use crate::cluster::outsiders::Outsiders;
use crate::cluster::presence::Absent;
use crate::cluster::station::Station;
use crate::config::is_addr;
use crate::leadership::Leadership;
use crate::peer::{self, SnapshotRefusal};
use crate::process::Process;
use crate::task::die;
use crate::{DiskState, NodeConfig, PeerTls, limits};

/// What this node tells others of itself, and what it asks them.
#[derive(Clone)]
pub(crate) struct Peers {
    pub(crate) process: Process,
    pub(crate) leadership: Leadership,
    pub(crate) applied: watch::Receiver<u64>,
    pub(crate) log: LogEnd,
    pub(crate) station: Station,
    pub(crate) outsiders: Outsiders,
    /// The members that do not answer.
    pub(crate) absent: Absent,
    /// Turns to look for another process with this node's identity.
    pub(crate) looks: Arc<Semaphore>,
    /// Where somebody led, lately, who has taken this node in.
    pub(crate) inviters: Arc<Mutex<BTreeSet<String>>>,
    pub(crate) snapshot_refusal: SnapshotRefusal,
    /// Where one side did not take the other for a node that it knows, when it was asked last: that was said.
    pub(crate) denied: Arc<Mutex<BTreeSet<String>>>,
}

impl Peers {
    /// Who this node is, to whoever asks: to one that it does not know, no more than who applies must know, or was removed.
    pub(crate) fn answer(&self, question: &pb::DiscoverRequest) -> pb::DiscoverResponse {
        let all = self.introduce(question);
        if self.knows(question) {
            return all;
        }
        pb::DiscoverResponse {
            name: all.name,
            node_id: all.node_id,
            cluster_id: all.cluster_id,
            former_cluster_ids: all.former_cluster_ids,
            initialised: all.initialised,
            leads: all.leads,
            leader: all.leader,
            wall_ms: all.wall_ms,
            members: all.members,
            effective_members_index: all.effective_members_index,
            members_index: all.members_index,
            has_asker: all.has_asker,
            knows_asker: all.knows_asker,
            ..pb::DiscoverResponse::default()
        }
    }

    /// Who this node is, and all that it knows.
    pub(crate) fn introduce(&self, question: &pb::DiscoverRequest) -> pb::DiscoverResponse {
        let leader = self.leadership.now();
        let stored = self.leadership.membership();
        let membership = stored.membership();
        let committed = self.leadership.committed_membership();
        let Position { last, vote } = self.position();
        pb::DiscoverResponse {
            name: self.process.config.name.clone(),
            node_id: self.process.identity.node_id,
            cluster_id: self.cluster_id().unwrap_or_default().to_owned(),
            initialised: self.is_initialised(),
            leads: leader.is_some_and(|leader| leader.here),
            knows_asker: membership.get_node(&question.node_id).is_some(),
            applied_index: *self.applied.borrow(),
            wall_ms: self.process.clock.wall_ms(),
            log_time: self.process.clock.knowledge().map(peer::log_time_message),
            leader: leader.map_or(0, |leader| leader.id),
            lost_data: self.process.lost_data,
            http_addr: self.process.config.http_addr.clone(),
            feature_level: self.process.config.feature_level.0,
            disk_state: disk_state(self.process.disk.state()).into(),
            disk_free_bytes: self.process.disk.room(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_ms: u64::try_from(self.process.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            run: Some(self.process.identity.run.into()),
            former_cluster_ids: self.former_cluster_ids(),
            asker_addr: self.process.transport.book.of(question.node_id).unwrap_or_default(),
            term: self.leadership.term(),
            members_index: committed.log_id().map_or(0, |log_id| log_id.index),
            has_asker: committed.membership().get_node(&question.node_id).is_some(),
            removed: self.station.is_removed(),
            draining: self.station.is_draining(),
            yields: self.station.yields(),
            outsiders: self.outsiders.beside(|id| membership.get_node(&id).is_some()),
            last_log_id: last.map(|last| last.to_message()),
            vote: vote.map(|vote| vote.to_message()),
            members: membership
                .nodes()
                .map(|(id, node)| pb::KnownMember { node_id: *id, name: node.name.clone() })
                .collect(),
            effective_members_index: stored.log_id().map_or(0, |log_id| log_id.index),
            certificate_expires_ms: expires_ms(&self.process.config),
            insecure: self.process.config.insecure,
            snapshot_needs_bytes: self.snapshot_refusal.needs_bytes(),
        }
    }

    /// How far this node's directory is.
    fn position(&self) -> Position {
        // A log that cannot be written ends the process by itself.
        self.log.now().map_or(Position::default(), Position::from)
    }

    /// Whether this node has a membership.
    pub(crate) fn is_initialised(&self) -> bool {
        self.leadership.has_members()
    }

    /// The cluster's id, once this node belongs to one.
    pub(crate) fn cluster_id(&self) -> Option<&str> {
        self.process.identity.cluster_id.get().map(String::as_str)
    }

    /// The same, or else the one that it asks to join.
    pub(crate) fn cluster_to_be(&self) -> String {
        self.cluster_id().map(str::to_owned).or_else(|| self.station.asks()).unwrap_or_default()
    }

    /// Those that this node's cluster was made of.
    pub(crate) fn former_cluster_ids(&self) -> Vec<String> {
        self.process.identity.former.get().cloned().unwrap_or_default()
    }

    /// This node as a member.
    pub(crate) fn as_member(&self) -> Member {
        Member {
            node_id: self.process.identity.node_id,
            name: self.process.config.name.clone(),
            peer_addr: self.process.config.peer_addr().unwrap_or_default().to_owned(),
            http_addr: self.process.config.http_addr.clone(),
            replaces: 0,
        }
    }

    /// Asks the node that listens at `addr` who it is; `None` if nobody answers whom this node knows. Where it is and what it says of the time are
    /// noted.
    pub(crate) async fn ask(&self, addr: &str) -> Option<pb::DiscoverResponse> {
        self.ask_on(addr, pb::Errand::Unspecified, 0).await
    }

    /// The same of one that nobody may know: what it says is of itself alone, and its certificate bears no more than its name.
    pub(crate) async fn ask_anybody(&self, addr: &str) -> Option<pb::DiscoverResponse> {
        let question = self.question(pb::Errand::Unspecified, 0);
        Some(self.process.transport.discover_anybody(addr, question).await.ok()?.answer)
    }

    /// Tells a node that it is a member.
    pub(crate) async fn invite(&self, id: NodeId, addr: &str) {
        if self.ask_on(addr, pb::Errand::Invite, id).await.is_none_or(|answer| answer.node_id != id) {
            tracing::warn!(node_id = id, addr, "a node that was taken in is not there to hear of it");
        }
    }

    /// The same, and says why.
    pub(crate) async fn ask_on(
        &self,
        addr: &str,
        errand: pb::Errand,
        invited: NodeId,
    ) -> Option<pb::DiscoverResponse> {
        match self.process.transport.discover(addr, self.question(errand, invited)).await {
            Ok((answer, round_trip)) => {
                self.denied.lock().remove(addr);
                self.process.transport.refusals.forget(addr);
                self.meet(addr, &answer);
                if self.is_other_of_cluster(&answer.cluster_id, answer.node_id) {
                    self.process.transport.book.found(answer.node_id, addr);
                    self.note_time(&answer, round_trip);
                    self.look_for_a_copy(&answer.asker_addr);
                } else {
                    self.process.transport.book.lost(addr);
                }
                Some(answer)
            }
            Err(status) => {
                if status.code() == Code::PermissionDenied && self.denied.lock().insert(addr.to_owned()) {
                    self.say_denied(addr, status.message());
                }
                tracing::debug!(addr, %status, "a peer does not answer");
                self.process.transport.book.lost(addr);
                None
            }
        }
    }

    fn say_denied(&self, addr: &str, why: &str) {
        if self.is_initialised() && self.leadership.now().is_none() {
            tracing::error!(
                addr,
                "nothing is heard of the node there: {why}. If no leader is found, and this node was away while the others were replaced, \
                 wipe its data directory: it joins again"
            );
        } else {
            tracing::warn!(addr, "nothing is heard of the node there: {why}");
        }
    }

    fn question(&self, errand: pb::Errand, invited: NodeId) -> pb::DiscoverRequest {
        let own = self.as_member();
        pb::DiscoverRequest {
            name: own.name,
            node_id: own.node_id,
            cluster_id: self.cluster_to_be(),
            peer_addr: own.peer_addr,
            removed: self.station.is_removed(),
            applies: self.station.applies(),
            errand: errand.into(),
            invited,
            run: Some(self.process.identity.run.into()),
        }
    }

    /// Looks, beside all else, whether another process with this node's identity answers at an address where it is said to be.
    fn look_for_a_copy(&self, addr: &str) {
        if addr.is_empty() || Some(addr) == self.process.config.peer_addr() {
            return;
        }
        // What is asked by everybody is asked once at a time.
        let Ok(turn) = Arc::clone(&self.looks).try_acquire_owned() else { return };
        let (this, addr) = (self.clone(), addr.to_owned());
        tokio::spawn(async move {
            let question = this.question(pb::Errand::Unspecified, 0);
            if let Ok((answer, _)) = this.process.transport.discover(&addr, question).await {
                this.meet(&addr, &answer);
            }
            drop(turn);
        });
    }

    /// Asks a member; `None` if it does not answer where it should be.
    pub(crate) async fn ask_member(&self, id: NodeId) -> Option<pb::DiscoverResponse> {
        let addr = self.process.transport.book.of(id)?;
        self.ask(&addr).await.filter(|answer| answer.node_id == id)
    }

    /// Does what an asker wants beside an answer: looks whether a member is where it says, if that is news, and notes one that is
    /// no member.
    pub(crate) fn hear(&self, asker: &pb::DiscoverRequest) {
        let (id, addr) = (asker.node_id, asker.peer_addr.clone());
        if id == self.process.identity.node_id {
            // Anybody can ask so: what counts is who answers there.
            if self.cluster_id() == Some(&asker.cluster_id) {
                self.look_for_a_copy(&addr);
            }
            return;
        }
        if addr.is_empty() {
            return;
        }
        if asker.errand() == pb::Errand::Invite {
            let is_of = |own: &str| own == asker.cluster_id;
            let is_meant = asker.invited == self.process.identity.node_id
                && self.cluster_id().map_or(!asker.cluster_id.is_empty(), is_of);
            if is_meant
                && self.knows(asker)
                && is_addr(&addr)
                && !self.is_initialised()
                && !self.station.is_removed()
            {
                *self.inviters.lock() = BTreeSet::from([addr]);
            }
            return;
        }
        if !self.is_other_of_cluster(&asker.cluster_id, id) || !self.is_initialised() {
            return;
        }
        if asker.errand() == pb::Errand::Dismiss && self.knows(asker) {
            self.station.look_soon();
        }
        if self.leadership.membership().membership().get_node(&id).is_none() {
            // One that was removed a moment ago, and does not know it yet, is neither.
            let (name, removed) = (asker.name.clone(), asker.removed);
            if removed || asker.applies {
                self.outsiders.note(pb::Outsider { node_id: id, name, peer_addr: addr, removed });
            } else {
                self.outsiders.forget(id);
            }
        } else if self.process.transport.book.of(id).as_ref() != Some(&addr) {
            let this = self.clone();
            tokio::spawn(async move { this.ask(&addr).await });
        }
    }

    /// Whether who asks is one that this node knows; everybody is, where there are no certificates.
    fn knows(&self, asker: &pb::DiscoverRequest) -> bool {
        self.process.config.tls.is_none() || self.process.transport.roster.knows(asker.node_id, &asker.name)
    }

    /// Ends this process if the one that has answered is the same node and has more.
    fn meet(&self, addr: &str, answer: &pb::DiscoverResponse) {
        let own = self.position();
        match self.process.identity.double(own, answer) {
            Double::None => {}
            Double::Behind(says) => tracing::error!(
                addr,
                "another process runs this node, {}, on a copy of its data directory: {says}",
                self.process.identity.node_id
            ),
            Double::NotBehind(says) => die(&format!(
                "another process runs this node, {} of the cluster {}, at {addr}: one of the two data directories is a copy. {says}",
                self.process.identity.node_id, answer.cluster_id
            )),
        }
    }

    /// Who cannot be spoken to, where it should be, and why, as far as that is known: by name, with its address.
    pub(crate) fn refusals(&self) -> Vec<(String, String)> {
        let refusals = &self.process.transport.refusals;
        let known = self
            .addresses()
            .into_iter()
            .filter_map(|addr| Some((self.who_is_at(&addr), refusals.of(&addr)?)));
        known.collect()
    }

    /// That in words, to end a sentence about what this node cannot do; else nothing.
    pub(crate) fn refused_by(&self) -> String {
        let each: Vec<String> = self
            .refusals()
            .into_iter()
            .map(|(who, why)| format!("{who} cannot be spoken to: {why}"))
            .collect();
        if each.is_empty() { String::new() } else { format!(": {}", each.join("; ")) }
    }

    fn who_is_at(&self, addr: &str) -> String {
        let members = self.members();
        let member = members.iter().find(|(_, node)| node.peer_addr == addr).map(|(_, node)| &node.name);
        let configured = || self.process.config.peers.iter().find(|(_, at)| at == addr).map(|(name, _)| name);
        match member.or_else(configured) {
            Some(name) => format!("{name} at {addr}"),
            None => format!("the node at {addr}"),
        }
    }

    /// Looks, where this node has no certificate, whether those have that do not answer.
    pub(crate) async fn look_for_tls(&self, addrs: &[String], answers: &[Option<pb::DiscoverResponse>]) {
        if self.process.config.tls.is_some() || self.leadership.now().is_some() {
            return;
        }
        let silent = addrs.iter().zip(answers).filter(|(_, answer)| answer.is_none()).map(|(addr, _)| addr);
        futures::future::join_all(silent.map(async |addr| {
            if peer::tls::speaks_tls(addr).await.unwrap_or(false) {
                let why = "it speaks TLS: give this node --peer-cert, --peer-key and --peer-ca";
                self.process.transport.refusals.note(addr, why.to_owned());
            }
        }))
        .await;
    }

    /// Asks several at once. The answers come in the order of the addresses.
    pub(crate) async fn ask_all(&self, addrs: &[String]) -> Vec<Option<pb::DiscoverResponse>> {
        futures::future::join_all(addrs.iter().map(|addr| self.ask(addr))).await
    }

    /// Whether another one, by what it says of itself, has applied nearly all that this node has: it can lead as soon as it is elected.
    pub(crate) fn has_applied(&self, answer: &pb::DiscoverResponse) -> bool {
        self.applied.borrow().saturating_sub(answer.applied_index) <= limits::JOIN_LAG
    }

    /// The nodes that have asked any member lately and are none.
    pub(crate) async fn outsiders(&self, is_member: impl Fn(NodeId) -> bool) -> Vec<pb::Outsider> {
        let asked = self.members();
        let answers = futures::future::join_all(asked.iter().map(|(id, _)| self.ask_member(*id))).await;
        let seen = answers.into_iter().flatten().flat_map(|answer| answer.outsiders);
        let by_id: BTreeMap<NodeId, pb::Outsider> =
            seen.chain(self.outsiders.beside(&is_member)).map(|one| (one.node_id, one)).collect();
        by_id.into_values().filter(|one| !is_member(one.node_id)).collect()
    }

    /// The other members.
    pub(crate) fn members(&self) -> Vec<(NodeId, Node)> {
        let stored = self.leadership.membership();
        let others = stored.membership().nodes().filter(|(id, _)| **id != self.process.identity.node_id);
        others.map(|(id, node)| (*id, node.clone())).collect()
    }

    /// The ids of the other voters: those by whom this node goes where a majority counts. A newcomer that died before it was
    /// one stays a member.
    pub(crate) fn other_voters(&self) -> Vec<NodeId> {
        let stored = self.leadership.membership();
        stored.membership().voter_ids().filter(|id| *id != self.process.identity.node_id).collect()
    }

    /// Every address at which another node may be: the configured ones, those of the membership, and those where one was
    /// found.
    pub(crate) fn addresses(&self) -> Vec<String> {
        let mut all = self.process.transport.book.addresses(self.process.identity.node_id);
        all.extend(self.process.config.peers.iter().map(|(_, addr)| addr.clone()));
        all.extend(self.inviters.lock().iter().cloned());
        if let Some(own) = self.process.config.peer_addr() {
            all.remove(own);
        }
        all.into_iter().collect()
    }

    fn is_other_of_cluster(&self, cluster_id: &str, id: NodeId) -> bool {
        self.cluster_id() == Some(cluster_id) && id != self.process.identity.node_id
    }

    fn note_time(&self, answer: &pb::DiscoverResponse, round_trip: Duration) {
        self.process.clock.saw_wall(answer.node_id, answer.wall_ms, round_trip);
        if let Some(known) = answer.log_time.map(peer::log_time) {
            // Of the term that this node leads nobody knows better.
            let term = self.leadership.term().saturating_sub(self.leadership.here().is_some().into());
            match peer::sound::told(&self.process.clock, term, &known) {
                Ok(()) => self.process.clock.learn(known),
                Err(unsound) => tracing::debug!(from = answer.node_id, %unsound, "not heard"),
            }
        }
    }
}

/// When the first of all that ends does; 0: nothing does.
fn expires_ms(config: &NodeConfig) -> u64 {
    let of_peers = |tls: &PeerTls| [tls.identity.expires_at(), tls.trust.expires_at()];
    let ends = config.tls.iter().flat_map(of_peers).chain(config.ends.iter().map(Ends::at));
    let Some(first) = ends.min() else { return 0 };
    let since = first.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX).max(1)
}

fn disk_state(state: DiskState) -> pb::DiskState {
    match state {
        DiskState::Room => pb::DiskState::Room,
        DiskState::Short => pb::DiskState::Short,
        DiskState::Full => pb::DiskState::Full,
    }
}

/// How the disk of a node is that introduced itself, and the free bytes there.
pub(crate) fn disk_of(answer: &pb::DiscoverResponse) -> Option<(DiskState, u64)> {
    let state = match answer.disk_state() {
        pb::DiskState::Room => DiskState::Room,
        pb::DiskState::Short => DiskState::Short,
        pb::DiskState::Full => DiskState::Full,
        pb::DiskState::Unspecified => return None,
    };
    Some((state, answer.disk_free_bytes))
}
