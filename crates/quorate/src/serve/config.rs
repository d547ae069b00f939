use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use anyhow::{Context, ensure};
use quorate_gateway::{GatewayConfig, Role, Roles};
use quorate_node::NodeConfig;

use super::closed::Open;
use super::rest_tls::RestTls;
use super::settings::Settings;
use super::traces::{self, Collector};
use crate::duration::HumanDuration;
use crate::logging::{self, LogFormat};
use crate::peer_list;
use crate::peer_tls;

/// What the settings come to.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) node: NodeConfig,
    pub(crate) gateway: GatewayConfig,
    /// Where to serve HTTP.
    pub(crate) http_addr: SocketAddr,
    /// Where to serve `/metrics` as well.
    pub(crate) metrics_addr: Option<SocketAddr>,
    /// What lets strangers in.
    pub(crate) open: Open,
    /// … as was asked for.
    pub(crate) insecure: bool,
    /// What the log says of callers without a token.
    pub(crate) remark: Option<String>,
    /// What HTTPS is served with.
    pub(crate) tls: Option<RestTls>,
    /// Who has a token.
    pub(crate) tokens: Option<PathBuf>,
    /// Where traces go, if anywhere.
    pub(crate) collector: Option<Collector>,
    pub(crate) log_format: LogFormat,
    pub(crate) log_level: String,
}

impl Settings {
    /// Whether the node's name is given.
    pub(crate) fn is_named(&self) -> bool {
        self.name.is_some()
    }

    /// Checks everything, and fills in the defaults.
    ///
    /// # Errors
    /// A setting is wrong; the message names it.
    pub(crate) fn check(self) -> anyhow::Result<Config> {
        let http_addr = address("http-addr", self.http_addr.as_deref(), "127.0.0.1:8080")?;
        let metrics_addr = self.metrics_addr.as_deref();
        let metrics_addr =
            metrics_addr.map(|given| address("metrics-addr", Some(given), "127.0.0.1:9180")).transpose()?;
        let peer_addr = address("peer-addr", self.peer_addr.as_deref(), "127.0.0.1:9080")?;
        let name = self.name.unwrap_or_else(|| "n1".to_owned());
        let strangers = match (self.anonymous, &self.tokens) {
            (Some(roles), _) => roles,
            (None, Some(_)) => Roles::default(),
            (None, None) => Roles::ALL,
        };
        let ask_certificates = self.tls_client_ca.is_some();
        let remark = Open::remark(http_addr, (strangers, self.anonymous.is_some()), ask_certificates);
        let callers_known = !strangers.has(Role::Admin) || ask_certificates;
        let open = Open::of(http_addr, callers_known, peer_addr, self.peer_cert.is_some(), metrics_addr);
        let peers = match self.peers {
            Some(list) => peer_list::parse(&list)?,
            None => vec![(name.clone(), peer_addr.to_string())],
        };
        let data_dir = self.data_dir.unwrap_or_else(|| PathBuf::from("quorate-data"));
        let http_advertise = self.http_advertise.unwrap_or_else(|| http_addr.to_string());
        let http_name = http_advertise.rsplit_once(':').map(|(name, _)| name.to_owned());
        let tls = RestTls::open(self.tls_cert, self.tls_key, self.tls_client_ca)?;
        let http_advertise = if tls.is_some() { format!("https://{http_advertise}") } else { http_advertise };
        let mut node = NodeConfig::new(&name, data_dir, peer_addr.to_string(), http_advertise, peers);
        node.snapshot_every = self.snapshot_every.unwrap_or(node.snapshot_every);
        node.logs_kept = self.logs_kept.unwrap_or(node.logs_kept);
        node.insecure = open.lets_in();
        node.tls = peer_tls::open(&node.name, self.peer_cert, self.peer_key, self.peer_ca)?;
        node.ends = tls.as_ref().map(RestTls::ends).unwrap_or_default();
        node.check()?;

        let collector = collector(self.otlp_endpoint, self.otlp_ratio)?;
        if collector.is_some() {
            node.traces = quorate_node::Traces { parent: traces::parent, adopt: traces::adopt };
        }
        let mut gateway = GatewayConfig { node: name, ..GatewayConfig::default() };
        gateway.tls = tls.as_ref().map(RestTls::server);
        gateway.tls_clients = tls.as_ref().and_then(RestTls::clients);
        if let Some(HumanDuration(given)) = self.write_timeout {
            gateway.write_wait = given;
            gateway.read_wait = gateway.write_wait;
        }
        gateway.payload_bytes = self.max_payload.unwrap_or(gateway.payload_bytes);
        gateway.caller_rate = self.caller_rate;
        gateway.access.anonymous = strangers;
        let named = self.allowed_hosts.iter().flat_map(|list| list.split(','));
        let advertised = http_name.iter().map(String::as_str);
        let host = |name: &str| name.trim().rsplit_once(':').map_or(name.trim(), |(host, _)| host).to_owned();
        gateway.insecure = open.lets_in();
        gateway.hosts = named.map(host).chain(advertised.map(str::to_owned)).collect();
        gateway.traces.access_log = self.access_log.unwrap_or(false);
        if collector.is_some() {
            gateway.traces.adopt = traces::adopt;
        }
        let log_level = self.log_level.unwrap_or_else(|| logging::LEVEL.to_owned());
        let log_format = self.log_format.unwrap_or_default();
        Ok(Config {
            node,
            gateway,
            http_addr,
            metrics_addr,
            open,
            insecure: self.insecure.unwrap_or(false),
            remark,
            tls,
            tokens: self.tokens,
            collector,
            log_format,
            log_level,
        })
    }
}

/// Where traces go; a ratio alone is no mistake.
fn collector(endpoint: Option<String>, ratio: Option<f64>) -> anyhow::Result<Option<Collector>> {
    let ratio = ratio.unwrap_or(1.0);
    let Some(endpoint) = endpoint else { return Ok(None) };
    let is_plain = endpoint.parse().is_ok_and(|uri: hyper::Uri| {
        uri.scheme_str() == Some("http") && uri.port().is_some() && uri.path() == "/" && uri.query().is_none()
    });
    ensure!(
        is_plain,
        "otlp-endpoint: `{endpoint}` is not http://HOST:PORT, for example http://127.0.0.1:4317"
    );
    Ok(Some(Collector { endpoint, ratio }))
}

fn address(setting: &str, given: Option<&str>, default: &str) -> anyhow::Result<SocketAddr> {
    let text = given.unwrap_or(default);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(settings: Settings) -> String {
        format!("{:#}", settings.check().unwrap_err())
    }

    #[test]
    fn without_settings_a_node_is_a_cluster_of_its_own() {
        let Config { node, .. } = Settings::default().check().unwrap();
        assert_eq!(node.peers, [("n1".to_owned(), "127.0.0.1:9080".to_owned())]);
        assert_eq!(node.http_addr, "127.0.0.1:8080");
    }

    #[test]
    fn localhost_is_an_address_to_listen_on() {
        let settings = Settings {
            http_addr: Some("localhost:8080".into()),
            peer_addr: Some("localhost:0".into()),
            ..Default::default()
        };
        let config = settings.check().unwrap();
        assert!(config.http_addr.ip().is_loopback(), "{config:?}");
        assert!(config.node.peer_listen.starts_with("127.0.0.1:"), "{config:?}");
        assert_eq!(config.http_addr.port(), 8_080);
    }

    #[test]
    fn a_wrong_setting_is_named() {
        let table = [
            (Settings { name: Some("a b".into()), ..Default::default() }, "name: `a b`"),
            (
                Settings { http_addr: Some("localhost".into()), ..Default::default() },
                "http-addr: `localhost`",
            ),
            (
                Settings { metrics_addr: Some("9180".into()), ..Default::default() },
                "metrics-addr: `9180` is not IP:PORT or HOST:PORT, for example 127.0.0.1:9180",
            ),
            (
                Settings { peer_addr: Some(":9080".into()), ..Default::default() },
                "peer-addr: `:9080` is not IP:PORT or HOST:PORT",
            ),
            (
                Settings { peer_addr: Some("no..name:1".into()), ..Default::default() },
                "peer-addr: `no..name:1` names no address",
            ),
            (
                Settings { peers: Some("n1".into()), ..Default::default() },
                "peers: `n1` is not NAME=HOST:PORT",
            ),
            (Settings { peers: Some("n1=h:0".into()), ..Default::default() }, "peers: `h:0`"),
            (
                Settings { peers: Some("n1=h:1,n1=h:2".into()), ..Default::default() },
                "`n1` stands there twice",
            ),
            (
                Settings { peers: Some("n1=h:1,n2=h:1".into()), ..Default::default() },
                "`h:1` stands there twice",
            ),
            (Settings { peers: Some("n2=h:1".into()), ..Default::default() }, "`n1` is not among them"),
            (Settings { tls_cert: Some("c.pem".into()), ..Default::default() }, "tls-cert: it needs tls-key"),
            (Settings { tls_key: Some("k.pem".into()), ..Default::default() }, "tls-key: it needs tls-cert"),
            (Settings { tls_client_ca: Some("ca.pem".into()), ..Default::default() }, "tls-client-ca"),
            (
                Settings {
                    tls_cert: Some("/none/c.pem".into()),
                    tls_key: Some("/none/k.pem".into()),
                    ..Default::default()
                },
                "tls-cert: /none/c.pem: it cannot be read",
            ),
        ];
        for (settings, expected) in table {
            let message = refused(settings);
            assert!(message.contains(expected), "{message} does not say {expected}");
        }
    }
}
