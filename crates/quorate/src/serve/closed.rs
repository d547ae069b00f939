use std::net::SocketAddr;

use anyhow::ensure;
use quorate_gateway::{Role, Roles};

use crate::cert::check_node;
use crate::wrong_usage::Lines;

/// Which ports of a node let strangers in: they listen on more than this machine, and ask nobody who he is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Open {
    http: Option<SocketAddr>,
    peers: Option<SocketAddr>,
    metrics: Option<SocketAddr>,
}

impl Open {
    /// `callers_known`: over HTTP only who has a token or a certificate may do everything. `peers_known`: only who has a certificate is
    /// a peer. At `metrics` nobody is ever asked.
    pub(super) fn of(
        http: SocketAddr,
        callers_known: bool,
        peers: SocketAddr,
        peers_known: bool,
        metrics: Option<SocketAddr>,
    ) -> Open {
        let open = |addr: SocketAddr, is_known: bool| {
            let is_here = addr.ip().to_canonical().is_loopback();
            (!is_here && !is_known).then_some(addr)
        };
        Open {
            http: open(http, callers_known),
            peers: open(peers, peers_known),
            metrics: metrics.and_then(|addr| open(addr, false)),
        }
    }

    /// Whether strangers may do anything, and not only read numbers.
    pub(super) fn lets_in(self) -> bool {
        self.http.is_some() || self.peers.is_some()
    }

    /// What is open, if anything, for the log.
    pub(super) fn words(self) -> Option<String> {
        let http = self.http.map(|addr| format!("whoever reaches {addr} may do everything, without a token"));
        let peers =
            self.peers.map(|addr| format!("whoever reaches {addr} passes for a node, without a certificate"));
        let metrics = self.metrics.map(|addr| {
            format!(
                "whoever reaches {addr} reads the metrics, and in them the names of queues, tokens and nodes"
            )
        });
        let all: Vec<String> = http.into_iter().chain(peers).chain(metrics).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    /// What is worth a warning of what callers may without a token, and was asked for. `strangers`: what they may, and whether that was
    /// said. `known`: they must have certificates.
    pub(super) fn remark(
        http: SocketAddr,
        (strangers, was_said): (Roles, bool),
        known: bool,
    ) -> Option<String> {
        let is_all = strangers.has(Role::Admin);
        let is_here = http.ip().to_canonical().is_loopback();
        match (known, is_all) {
            (true, true) if !was_said => Some(
                "whoever has a certificate of --tls-client-ca may do everything: tell them apart by --tokens, or say --anonymous admin"
                    .to_owned(),
            ),
            (false, false) if !is_here && !strangers.is_empty() => {
                Some(format!("whoever reaches {http} may {strangers} without a token (--anonymous)"))
            }
            // As was said; or it is open, which is refused, or warned of.
            (true | false, true | false) => None,
        }
    }

    /// Nobody is let in by accident.
    ///
    /// # Errors
    /// A port is open, and that was not asked for: the message has the ways on. `name` is the node's.
    pub(super) fn allow(self, insecure: bool, name: &str) -> anyhow::Result<()> {
        let http = self.http.map(|addr| {
            format!(
                "http-addr: {addr} can be reached from elsewhere, and without a token everybody there may do everything. Make one, and \
                 start with --tokens FILE, and without `admin` in --anonymous:\n  quorate token new --name root --role admin --tokens FILE"
            )
        });
        let peers = self.peers.map(|addr| {
            let make = match check_node(name) {
                Ok(()) => format!("  quorate cert init DIR\n  quorate cert node {name} --dir DIR"),
                Err(none) => format!("  {none}"),
            };
            format!(
                "peer-addr: {addr} can be reached from elsewhere, and without certificates everybody there passes for a node. Make them, \
                 and start with --peer-cert, --peer-key and --peer-ca:\n{make}"
            )
        });
        let metrics = self.metrics.map(|addr| {
            format!(
                "metrics-addr: {addr} can be reached from elsewhere, and everybody there reads the names of queues, tokens and nodes. Choose \
                 an address of this machine, as 127.0.0.1:{}, or read /metrics at http-addr, with a token of the role `read`.",
                addr.port()
            )
        });
        let said: Vec<String> = http.into_iter().chain(peers).chain(metrics).collect();
        ensure!(
            said.is_empty() || insecure,
            Lines(format!(
                "{}\nOr, where only friends reach it, start with --insecure (QUORATE_INSECURE=1).",
                said.join("\n")
            ))
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(http: &str, callers_known: bool, peers: &str, peers_known: bool) -> (bool, bool, bool) {
        let [http, peers] = [http, peers].map(|addr| addr.parse().unwrap());
        let Open { http, peers, metrics } = Open::of(http, callers_known, peers, peers_known, Some(peers));
        (http.is_some(), peers.is_some(), metrics.is_some())
    }

    #[test]
    fn a_port_is_open_that_others_reach_and_that_asks_nobody() {
        for here in ["127.0.0.1:1", "127.7.7.7:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert_eq!(open(here, false, here, false), (false, false, false), "{here}");
        }
        for elsewhere in ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "[::ffff:10.0.0.1]:1", "192.168.1.1:1"] {
            assert_eq!(open(elsewhere, false, elsewhere, false), (true, true, true), "{elsewhere}");
            assert_eq!(open(elsewhere, true, elsewhere, false), (false, true, true), "{elsewhere}");
            assert_eq!(open(elsewhere, false, elsewhere, true), (true, false, true), "{elsewhere}");
            assert_eq!(open(elsewhere, true, elsewhere, true), (false, false, true), "{elsewhere}");
        }
    }

    #[test]
    fn it_is_refused_with_the_ways_on_unless_it_was_asked_for() {
        let [http, peers, metrics] =
            ["0.0.0.0:8080", "0.0.0.0:9080", "0.0.0.0:9180"].map(|addr| addr.parse().unwrap());
        let all = Open::of(http, false, peers, false, Some(metrics));
        let said = all.allow(false, "n7").unwrap_err().to_string();
        assert!(said.starts_with("http-addr: 0.0.0.0:8080 "), "{said}");
        let ways = [
            "quorate token new",
            "--tokens FILE",
            "peer-addr: ",
            "quorate cert node n7",
            "--peer-ca",
            "metrics-addr: 0.0.0.0:9180",
            "127.0.0.1:9180",
            "--insecure",
        ];
        assert!(ways.iter().all(|way| said.contains(way)), "{said}");
        for none in ["localhost", "CA", "10.0.0.1"] {
            let said = all.allow(false, none).unwrap_err().to_string();
            assert!(!said.contains("quorate cert") && said.contains(&format!("`{none}`")), "{said}");
        }
        assert!(all.allow(true, "n7").is_ok());
        let words = all.words().unwrap();
        assert!(
            [http, peers, metrics].iter().all(|addr: &SocketAddr| words.contains(&addr.to_string())),
            "{words}"
        );
        assert!(Open::default().allow(false, "n7").is_ok() && Open::default().words().is_none());
        let numbers = Open::of(http, true, peers, true, Some(metrics));
        assert!(all.lets_in() && !numbers.lets_in() && numbers.allow(false, "n7").is_err());
    }

    #[test]
    fn what_callers_may_without_a_token_is_told_unless_they_are_known_and_it_was_said() {
        let [here, elsewhere] = ["127.0.0.1:1", "0.0.0.0:1"].map(|addr| addr.parse().unwrap());
        let some: Roles = "submit,run".parse().unwrap();
        let remark = |http, strangers, known| Open::remark(http, strangers, known).unwrap_or_default();
        assert!(remark(elsewhere, (some, true), false).contains("0.0.0.0:1 may submit,run without a token"));
        for http in [here, elsewhere] {
            assert!(
                remark(http, (Roles::ALL, false), true)
                    .contains("may do everything: tell them apart by --tokens")
            );
            assert_eq!(remark(http, (Roles::ALL, true), true), "");
            assert_eq!(remark(http, (some, true), true), "");
            assert_eq!(remark(http, (Roles::default(), false), false), "");
        }
        assert_eq!(remark(here, (some, true), false), "");
        assert_eq!(remark(here, (Roles::ALL, false), false), "");
    }
}
