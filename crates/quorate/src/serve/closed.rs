use std::net::SocketAddr;

use anyhow::ensure;

use crate::wrong_usage::Lines;

/// Which ports of a node let strangers in: they listen on more than this machine, and ask nobody who he is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Open {
    http: Option<SocketAddr>,
    peers: Option<SocketAddr>,
}

impl Open {
    /// `callers_known`: HTTP asks for tokens or certificates. `peers_known`: only who has a certificate is a peer.
    pub(super) fn of(http: SocketAddr, callers_known: bool, peers: SocketAddr, peers_known: bool) -> Open {
        let open = |addr: SocketAddr, is_known: bool| {
            let is_here = addr.ip().to_canonical().is_loopback();
            (!is_here && !is_known).then_some(addr)
        };
        Open { http: open(http, callers_known), peers: open(peers, peers_known) }
    }

    pub(super) fn is_any(self) -> bool {
        self != Open::default()
    }

    /// What is open, if anything, for the log.
    pub(super) fn words(self) -> Option<String> {
        let http = self.http.map(|addr| format!("whoever reaches {addr} may do everything, without a token"));
        let peers =
            self.peers.map(|addr| format!("whoever reaches {addr} passes for a node, without a certificate"));
        let both: Vec<String> = http.into_iter().chain(peers).collect();
        (!both.is_empty()).then(|| both.join("; "))
    }

    /// Nobody is let in by accident.
    ///
    /// # Errors
    /// A port is open, and that was not asked for: the message has the ways on. `name` is the node's.
    pub(super) fn allow(self, insecure: bool, name: &str) -> anyhow::Result<()> {
        let http = self.http.map(|addr| {
            format!(
                "http-addr: {addr} can be reached from elsewhere, and without tokens everybody there may do everything. Make one, and \
                 start with --tokens FILE:\n  quorate token new --name root --role admin --tokens FILE"
            )
        });
        let peers = self.peers.map(|addr| {
            format!(
                "peer-addr: {addr} can be reached from elsewhere, and without certificates everybody there passes for a node. Make them, \
                 and start with --peer-cert, --peer-key and --peer-ca:\n  quorate cert init DIR\n  quorate cert node {name} --dir DIR"
            )
        });
        let said: Vec<String> = http.into_iter().chain(peers).collect();
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

    fn open(http: &str, callers_known: bool, peers: &str, peers_known: bool) -> (bool, bool) {
        let Open { http, peers } =
            Open::of(http.parse().unwrap(), callers_known, peers.parse().unwrap(), peers_known);
        (http.is_some(), peers.is_some())
    }

    #[test]
    fn a_port_is_open_that_others_reach_and_that_asks_nobody() {
        for here in ["127.0.0.1:1", "127.7.7.7:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert_eq!(open(here, false, here, false), (false, false), "{here}");
        }
        for elsewhere in ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "[::ffff:10.0.0.1]:1", "192.168.1.1:1"] {
            assert_eq!(open(elsewhere, false, elsewhere, false), (true, true), "{elsewhere}");
            assert_eq!(open(elsewhere, true, elsewhere, false), (false, true), "{elsewhere}");
            assert_eq!(open(elsewhere, false, elsewhere, true), (true, false), "{elsewhere}");
            assert_eq!(open(elsewhere, true, elsewhere, true), (false, false), "{elsewhere}");
        }
    }

    #[test]
    fn it_is_refused_with_the_ways_on_unless_it_was_asked_for() {
        let all = Open::of("0.0.0.0:8080".parse().unwrap(), false, "0.0.0.0:9080".parse().unwrap(), false);
        let said = all.allow(false, "n7").unwrap_err().to_string();
        assert!(said.starts_with("http-addr: 0.0.0.0:8080 "), "{said}");
        let ways = [
            "quorate token new",
            "--tokens FILE",
            "peer-addr: ",
            "quorate cert node n7",
            "--peer-ca",
            "--insecure",
        ];
        assert!(ways.iter().all(|way| said.contains(way)), "{said}");
        assert!(all.allow(true, "n7").is_ok());
        let words = all.words().unwrap();
        assert!(words.contains("0.0.0.0:8080") && words.contains("0.0.0.0:9080"), "{words}");
        assert!(Open::default().allow(false, "n7").is_ok() && Open::default().words().is_none());
    }
}
