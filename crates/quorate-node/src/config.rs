use std::path::PathBuf;

use openraft::SnapshotPolicy;
use quorate_core::{FEATURE_LEVEL, FeatureLevel};
use quorate_tls::Ends;

use crate::limits::{self, ADDR_BYTES, NAME_BYTES, PEERS};
use crate::{PeerTls, Reserve, StartError, Traces};

/// How one node is to run. [`NodeConfig::new`] has the defaults.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// This node's name, one of [`NodeConfig::peers`].
    pub name: String,
    /// Where its data is; made if it does not exist.
    pub data_dir: PathBuf,
    /// Where to listen for peers, `host:port`.
    pub peer_listen: String,
    /// Where clients reach this node, `host:port`: told to the other members.
    pub http_addr: String,
    /// The members' names and the addresses at which peers reach them, `host:port`, this node's included: the same
    /// list at every node. The first one makes the cluster, when all of them are there.
    pub peers: Vec<(String, String)>,
    /// It lets strangers in, as it was told to: the cluster's status warns of it.
    pub insecure: bool,
    /// What is kept free of the data directory's disk; `None`: what [`Reserve::on`] says of it.
    pub reserve: Option<Reserve>,
    /// Most bytes of the log, or an eighth of the disk if that is less.
    pub log_bytes: u64,
    /// About how many files of the log and the table are kept open; `None`: all of them.
    pub open_files: Option<usize>,
    /// Most connections of peers to this node.
    pub peer_connections: usize,
    /// A snapshot is taken after so many log entries.
    pub snapshot_every: u64,
    /// Log entries that are kept behind a snapshot, for followers that lag.
    pub logs_kept: u64,
    /// The certificates by which peers know each other; `None`: whoever reaches a peer port is believed.
    pub tls: Option<PeerTls>,
    /// What else of this node ends, as its certificate for clients: the cluster's status warns of what ends first.
    pub ends: Vec<Ends>,
    /// How spans become traces.
    pub traces: Traces,
    /// The feature level that this program passes for understanding: another one in tests alone.
    #[doc(hidden)]
    pub feature_level: FeatureLevel,
}

impl NodeConfig {
    /// A node with default limits.
    pub fn new(
        name: impl Into<String>,
        data_dir: impl Into<PathBuf>,
        peer_listen: impl Into<String>,
        http_addr: impl Into<String>,
        peers: Vec<(String, String)>,
    ) -> NodeConfig {
        NodeConfig {
            name: name.into(),
            data_dir: data_dir.into(),
            peer_listen: peer_listen.into(),
            http_addr: http_addr.into(),
            peers,
            insecure: false,
            reserve: None,
            log_bytes: limits::RAFT_LOG_BYTES,
            open_files: None,
            peer_connections: limits::PEER_CONNECTIONS,
            snapshot_every: limits::SNAPSHOT_EVERY,
            logs_kept: limits::LOGS_KEPT,
            tls: None,
            ends: Vec::new(),
            traces: Traces::default(),
            feature_level: FEATURE_LEVEL,
        }
    }

    /// Where peers reach this node.
    pub(crate) fn peer_addr(&self) -> Option<&str> {
        self.peers.iter().find(|(name, _)| *name == self.name).map(|(_, addr)| addr.as_str())
    }

    /// True for the node that makes the cluster.
    pub(crate) fn is_first(&self) -> bool {
        self.peers.first().is_some_and(|(name, _)| *name == self.name)
    }

    /// What [`crate::Node::start`] demands of names and peers.
    ///
    /// # Errors
    /// [`StartError::Config`], with the setting and what is wrong with it.
    pub fn check(&self) -> Result<(), StartError> {
        let refuse = |setting, reason: String| Err(StartError::Config { setting, reason });
        let no_name = |name: &str| {
            format!(
                "`{name}` is not 1 to {NAME_BYTES} letters, digits, `-`, `_`, `.`, a letter or digit first"
            )
        };
        if !is_name(&self.name) {
            return refuse("name", no_name(&self.name));
        }
        if !is_http_addr(&self.http_addr) {
            let reason = format!("`{}` is not HOST:PORT", self.http_addr.escape_debug());
            return refuse("http-advertise", reason);
        }
        for (at, (name, addr)) in self.peers.iter().enumerate() {
            if !is_name(name) {
                return refuse("peers", no_name(name));
            }
            if !is_addr(addr) {
                return refuse("peers", format!("`{addr}` (of {name}) is not HOST:PORT"));
            }
            if self.peers[..at].iter().any(|(other, _)| other == name) {
                return refuse("peers", format!("`{name}` stands there twice"));
            }
            if self.peers[..at].iter().any(|(_, other)| other == addr) {
                return refuse("peers", format!("`{addr}` stands there twice"));
            }
        }
        match self.peers.len() {
            0 => return refuse("peers", "the list is empty".to_owned()),
            1..=PEERS => {}
            more => {
                return refuse(
                    "peers",
                    format!("{more} nodes; at most {PEERS} make sense in one Raft group"),
                );
            }
        }
        if self.peer_addr().is_none() {
            let reason =
                format!("this node's name `{}` is not among them; list all nodes, this one too", self.name);
            return refuse("peers", reason);
        }
        if self.tls.as_ref().is_some_and(|tls| !tls.identity.names().bear(&self.name)) {
            let reason = format!("it does not bear this node's name, {}, as a DNS name", self.name);
            return refuse("peer-cert", reason);
        }
        Ok(())
    }

    /// Raft's settings. Elections: a follower waits 0.6 s without a leader, then 0.3 to 0.6 s more.
    pub(crate) fn raft(&self) -> Result<openraft::Config, StartError> {
        let config = openraft::Config {
            cluster_name: "quorate".to_owned(),
            heartbeat_interval: limits::HEARTBEAT_MILLIS,
            election_timeout_min: limits::ELECTION_MILLIS.0,
            election_timeout_max: limits::ELECTION_MILLIS.1,
            enable_pre_vote: Some(true),
            quorum_loss_probe_interval: Some(limits::QUORUM_LOSS_MILLIS),
            // A restarted leader is elected like any other.
            enable_leader_restore: Some(false),
            install_snapshot_timeout: u64::try_from(limits::SNAPSHOT.as_millis()).unwrap_or(u64::MAX),
            // Both are `compaction.rs`'.
            snapshot_policy: SnapshotPolicy::Never,
            max_in_snapshot_log_to_keep: u64::MAX,
            max_payload_entries: limits::PAYLOAD_ENTRIES,
            max_append_entries: Some(limits::APPEND_ENTRIES),
            // A peer that came back is found soon.
            backoff: "50ms 100ms 200ms ...500ms".to_owned(),
            ..openraft::Config::default()
        };
        config.validate().map_err(|error| StartError::Raft(error.to_string()))
    }
}

/// Whether it can be a node's name. It goes into headers, logs and the list of peers.
pub fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    name.len() <= NAME_BYTES
        && name.chars().all(fits)
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
}

/// Whether it can be a node's address, HOST:PORT.
pub(crate) fn is_addr(addr: &str) -> bool {
    let uri = format!("http://{addr}").parse::<tonic::transport::Uri>();
    let parts = uri.ok().and_then(|uri| Some(format!("{}:{}", uri.host()?, uri.port()?)));
    addr.len() <= ADDR_BYTES && parts.as_deref() == Some(addr)
}

/// Whether it can be where clients reach a node, with a scheme or without; empty: nowhere.
pub(crate) fn is_http_addr(addr: &str) -> bool {
    addr.len() <= "https://".len() + ADDR_BYTES && addr.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peers(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(name, addr)| ((*name).to_owned(), (*addr).to_owned())).collect()
    }

    fn refused(name: &str, list: &[(&str, &str)]) -> Option<&'static str> {
        match NodeConfig::new(name, "/nowhere", "0.0.0.0:1", "a:80", peers(list)).check() {
            Ok(()) => None,
            Err(StartError::Config { setting, .. }) => Some(setting),
            Err(error) => panic!("another error: {error}"),
        }
    }

    #[test]
    fn a_wrong_list_of_peers_is_refused() {
        assert_eq!(refused("n1", &[("n1", "a:1"), ("n2", "b:1")]), None);
        assert_eq!(refused("", &[("", "a:1")]), Some("name"));
        assert_eq!(refused("a b", &[("a b", "a:1")]), Some("name"));
        assert_eq!(refused("n1", &[("n1", "a:1"), ("-", "b:1")]), Some("peers"));
        assert_eq!(refused("n1", &[]), Some("peers"));
        assert_eq!(refused("n3", &[("n1", "a:1"), ("n2", "b:1")]), Some("peers"));
        assert_eq!(refused("n1", &[("n1", "a:1"), ("n1", "b:1")]), Some("peers"));
        assert_eq!(refused("n1", &[("n1", "a:1"), ("n2", "a:1")]), Some("peers"));
        assert_eq!(refused("n1", &[("n1", "a b")]), Some("peers"));
    }

    #[test]
    fn raft_accepts_the_settings() {
        let config = NodeConfig::new("n1", "/nowhere", "0.0.0.0:1", "a:80", peers(&[("n1", "a:1")]));
        let raft = config.raft().unwrap();
        // What openraft asks of it: the lease, and the longest election timeout.
        assert!(raft.quorum_loss_probe_interval >= Some(2 * raft.election_timeout_max));
    }
}
