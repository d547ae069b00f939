use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use clap::Args;
use serde::Deserialize;

use crate::logging::{self, LogFormat};
use crate::number::{decimal, number};

/// Run one node of a cluster.
///
/// Every flag can also be an environment variable (QUORATE_ and its name) or a line of the TOML file that --config
/// names; a flag wins over a variable, a variable over the file. An empty variable counts as not given.
#[derive(Args, Deserialize, Default, Clone, Debug)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
#[command(after_help = EXAMPLE)]
pub(crate) struct ServeArgs {
    /// This node's name, unique in the cluster. A new node that bears a dead node's name takes its place.
    #[arg(long, env = "QUORATE_NAME", value_name = "NAME")]
    name: Option<String>,
    /// Where this node keeps everything; made if it is not there [default: quorate-data].
    #[arg(long, env = "QUORATE_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Where to serve HTTP [default: 127.0.0.1:8080].
    #[arg(long, env = "QUORATE_HTTP_ADDR", value_name = "HOST:PORT")]
    http_addr: Option<String>,
    /// The HTTP address that is shown to others, host:port [default: --http-addr].
    #[arg(long, env = "QUORATE_HTTP_ADVERTISE", value_name = "HOST:PORT")]
    http_advertise: Option<String>,
    /// Where to listen for the other nodes [default: 127.0.0.1:9080].
    #[arg(long, env = "QUORATE_PEER_ADDR", value_name = "HOST:PORT")]
    peer_addr: Option<String>,
    /// All nodes that form the cluster, this one too, each with the address at which its peers reach it; the same list
    /// in the same order on every node [default: this node alone].
    #[arg(long, env = "QUORATE_PEERS", value_name = "NAME=HOST:PORT,…")]
    peers: Option<String>,
    /// Seconds that a write waits for a leader and a majority before it is answered 503 [default: 5].
    #[arg(long, env = "QUORATE_WRITE_TIMEOUT", value_name = "SECONDS", value_parser = decimal(0.1..=60.0))]
    write_timeout: Option<f64>,
    /// Longest payload of a job in bytes [default: 1048576, at most that].
    #[arg(long, env = "QUORATE_MAX_PAYLOAD", value_name = "BYTES", value_parser = number(0..=quorate_core::limits::PAYLOAD_BYTES))]
    max_payload: Option<usize>,
    /// How to log to standard error [default: human].
    #[arg(long, env = "QUORATE_LOG_FORMAT", value_enum)]
    log_format: Option<LogFormat>,
    /// What to log: error, warn, info, debug, trace, or a filter such as `info,openraft=warn` [default: info].
    #[arg(long, env = "QUORATE_LOG_LEVEL", value_name = "FILTER")]
    log_level: Option<String>,
    /// A TOML file with these settings, named as the flags without the dashes in front.
    #[arg(long, env = "QUORATE_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    config: Option<PathBuf>,
    /// Log entries between two snapshots: small in tests, which cannot wait for so many.
    #[arg(long, hide = true)]
    #[serde(skip)]
    pub(crate) snapshot_every: Option<u64>,
    /// Log entries that are kept behind a snapshot.
    #[arg(long, hide = true)]
    #[serde(skip)]
    pub(crate) logs_kept: Option<u64>,
    /// End when standard input is closed: how `quorate dev` takes its nodes along, even when it is killed.
    #[arg(long, hide = true)]
    #[serde(skip)]
    pub(crate) until_stdin_closes: bool,
}

const EXAMPLE: &str = "Example, one of three nodes:
  quorate serve --name n1 --data-dir /var/lib/quorate --http-addr 0.0.0.0:8080 --peer-addr 0.0.0.0:9080 \\
    --peers n1=host1:9080,n2=host2:9080,n3=host3:9080

A node alone: quorate serve --data-dir ./data";

/// The settings, resolved and checked.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) name: String,
    pub(crate) data_dir: PathBuf,
    pub(crate) http_addr: SocketAddr,
    pub(crate) http_advertise: String,
    pub(crate) peer_addr: SocketAddr,
    /// Names and addresses, in the order given, this node among them.
    pub(crate) peers: Vec<(String, String)>,
    pub(crate) write_timeout: std::time::Duration,
    pub(crate) max_payload: usize,
    pub(crate) snapshot_every: Option<u64>,
    pub(crate) logs_kept: Option<u64>,
    pub(crate) log_format: LogFormat,
    pub(crate) log_level: String,
}

impl ServeArgs {
    /// Reads the file, fills in the defaults, checks everything.
    ///
    /// # Errors
    /// A setting is missing or wrong; the message names it.
    pub(crate) fn resolve(self) -> anyhow::Result<Config> {
        let file = self.config.as_deref().map(read_file).transpose()?.unwrap_or_default();
        let name = self.name.or(file.name).unwrap_or_else(|| "n1".to_owned());
        check_name("name", &name)?;
        let http_addr = address("http-addr", self.http_addr.or(file.http_addr), "127.0.0.1:8080")?;
        let peer_addr = address("peer-addr", self.peer_addr.or(file.peer_addr), "127.0.0.1:9080")?;
        let peers = match self.peers.or(file.peers) {
            Some(list) => parse_peers(&list)?,
            None => vec![(name.clone(), peer_addr.to_string())],
        };
        ensure!(
            peers.iter().any(|(peer, _)| *peer == name),
            "peers: this node's name `{name}` is not among them; list all nodes, this one too"
        );
        let seconds = self.write_timeout.or(file.write_timeout).unwrap_or(5.0);
        ensure!(
            (0.1..=60.0).contains(&seconds),
            "write-timeout: {seconds} is not between 0.1 and 60 seconds"
        );
        let most = quorate_core::limits::PAYLOAD_BYTES;
        let max_payload = self.max_payload.or(file.max_payload).unwrap_or(most);
        ensure!(max_payload <= most, "max-payload: {max_payload} is above {most}");
        Ok(Config {
            name,
            data_dir: self.data_dir.or(file.data_dir).unwrap_or_else(|| PathBuf::from("quorate-data")),
            http_addr,
            http_advertise: self
                .http_advertise
                .or(file.http_advertise)
                .unwrap_or_else(|| http_addr.to_string()),
            peer_addr,
            peers,
            write_timeout: std::time::Duration::from_secs_f64(seconds),
            max_payload,
            snapshot_every: self.snapshot_every,
            logs_kept: self.logs_kept,
            log_format: self.log_format.or(file.log_format).unwrap_or_default(),
            log_level: self.log_level.or(file.log_level).unwrap_or_else(|| logging::LEVEL.to_owned()),
        })
    }
}

fn read_file(path: &Path) -> anyhow::Result<ServeArgs> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("config: cannot read {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("config: {}", path.display()))
}

fn address(setting: &str, given: Option<String>, default: &str) -> anyhow::Result<SocketAddr> {
    let text = given.as_deref().unwrap_or(default);
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let port = text.rsplit_once(':').and_then(|(host, port)| (!host.is_empty()).then(|| port.parse::<u16>()));
    ensure!(
        matches!(port, Some(Ok(_))),
        "{setting}: `{text}` is not IP:PORT or HOST:PORT, for example {default}"
    );
    let found = text.to_socket_addrs().with_context(|| format!("{setting}: `{text}` names no address"))?;
    let mut found: Vec<SocketAddr> = found.collect();
    // `localhost` has two; one is served, and most look there.
    found.sort_by_key(SocketAddr::is_ipv6);
    found.into_iter().next().with_context(|| format!("{setting}: `{text}` names no address"))
}

fn check_name(setting: &str, name: &str) -> anyhow::Result<()> {
    let fits = (1..=63).contains(&name.len())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_' || c == '.')
        && name.starts_with(|c: char| c.is_ascii_alphanumeric());
    ensure!(
        fits,
        "{setting}: `{name}` is not 1 to 63 letters, digits, `-`, `_`, `.`, a letter or digit first"
    );
    Ok(())
}

fn parse_peers(list: &str) -> anyhow::Result<Vec<(String, String)>> {
    let mut peers: Vec<(String, String)> = Vec::new();
    for item in list.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        let Some((name, addr)) = item.split_once('=') else {
            bail!("peers: `{item}` is not NAME=HOST:PORT, for example n1=10.0.0.1:9080");
        };
        check_name("peers", name)?;
        let port =
            addr.rsplit_once(':').and_then(|(host, port)| (!host.is_empty()).then(|| port.parse::<u16>()));
        ensure!(matches!(port, Some(Ok(1..))), "peers: `{addr}` (of {name}) is not HOST:PORT");
        ensure!(!peers.iter().any(|(other, _)| other == name), "peers: `{name}` stands there twice");
        ensure!(!peers.iter().any(|(_, other)| other == addr), "peers: `{addr}` stands there twice");
        peers.push((name.to_owned(), addr.to_owned()));
    }
    ensure!(!peers.is_empty(), "peers: the list is empty");
    ensure!(peers.len() <= 9, "peers: {} nodes; at most 9 make sense in one Raft group", peers.len());
    Ok(peers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(args: ServeArgs) -> String {
        format!("{:#}", args.resolve().unwrap_err())
    }

    #[test]
    fn without_settings_a_node_is_a_cluster_of_its_own() {
        let config = ServeArgs::default().resolve().unwrap();
        assert_eq!(config.peers, [("n1".to_owned(), "127.0.0.1:9080".to_owned())]);
        assert_eq!(config.http_advertise, "127.0.0.1:8080");
    }

    #[test]
    fn localhost_is_an_address_to_listen_on() {
        let args = ServeArgs {
            http_addr: Some("localhost:8080".into()),
            peer_addr: Some("localhost:0".into()),
            ..Default::default()
        };
        let config = args.resolve().unwrap();
        assert!(config.http_addr.ip().is_loopback() && config.peer_addr.ip().is_loopback(), "{config:?}");
        assert_eq!(config.http_addr.port(), 8_080);
    }

    #[test]
    fn a_wrong_setting_is_named() {
        let table = [
            (ServeArgs { name: Some("a b".into()), ..Default::default() }, "name: `a b`"),
            (
                ServeArgs { http_addr: Some("localhost".into()), ..Default::default() },
                "http-addr: `localhost`",
            ),
            (
                ServeArgs { peer_addr: Some(":9080".into()), ..Default::default() },
                "peer-addr: `:9080` is not IP:PORT or HOST:PORT",
            ),
            (
                ServeArgs { peer_addr: Some("no..name:1".into()), ..Default::default() },
                "peer-addr: `no..name:1` names no address",
            ),
            (
                ServeArgs { peers: Some("n1".into()), ..Default::default() },
                "peers: `n1` is not NAME=HOST:PORT",
            ),
            (ServeArgs { peers: Some("n1=h:0".into()), ..Default::default() }, "peers: `h:0`"),
            (
                ServeArgs { peers: Some("n1=h:1,n1=h:2".into()), ..Default::default() },
                "`n1` stands there twice",
            ),
            (
                ServeArgs { peers: Some("n1=h:1,n2=h:1".into()), ..Default::default() },
                "`h:1` stands there twice",
            ),
            (ServeArgs { peers: Some("n2=h:1".into()), ..Default::default() }, "`n1` is not among them"),
            (ServeArgs { write_timeout: Some(0.0), ..Default::default() }, "write-timeout: 0"),
            (ServeArgs { max_payload: Some(1 << 30), ..Default::default() }, "max-payload"),
        ];
        for (args, expected) in table {
            let message = refused(args);
            assert!(message.contains(expected), "{message} does not say {expected}");
        }
    }

    #[test]
    fn a_flag_wins_over_the_file_and_an_unknown_line_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("quorate.toml");
        std::fs::write(&path, "name = \"file\"\npeer-addr = \"127.0.0.1:7\"\nlog-format = \"json\"\n")
            .unwrap();
        let args = ServeArgs { name: Some("flag".into()), config: Some(path.clone()), ..Default::default() };
        let config = args.resolve().unwrap();
        assert_eq!((config.name.as_str(), config.peer_addr.port()), ("flag", 7));
        assert_eq!(config.log_format, LogFormat::Json);
        std::fs::write(&path, "nmae = \"x\"\n").unwrap();
        let args = ServeArgs { config: Some(path), ..Default::default() };
        assert!(refused(args).contains("nmae"));
    }
}
