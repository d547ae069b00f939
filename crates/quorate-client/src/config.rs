use std::fmt;
use std::time::Duration;

use quorate_tls::{Identity, Trust};

use crate::Token;

/// How to reach a cluster, and how long to try.
#[derive(Clone)]
pub struct ClientConfig {
    /// The nodes: `10.0.0.1:8080`, or base URLs without the `/v1`, as `https://10.0.0.1:8080`. More than one, so that the client has
    /// somewhere to go when a node is down. Where `trust` or `identity` is given, all are spoken to over TLS, and `http://` is refused;
    /// else what is no URL is spoken to without.
    pub nodes: Vec<String>,
    /// Of whose authorities a node's certificate must be, over TLS; of those that this machine trusts, if it is not given.
    pub trust: Option<Trust>,
    /// Who this client is, where a node asks for a certificate.
    pub identity: Option<Identity>,
    /// Sent as `Authorization: Bearer …` if given. One of a file is looked for again where a node does not take it.
    pub token: Option<Token>,
    /// How long one call may take with all its attempts (a consume: on top of its `wait`).
    pub deadline: Duration,
    /// How long one node gets to answer before the next one is asked (a consume: on top of its `wait`). The node is told,
    /// and stops waiting for a leader early enough for its answer to arrive.
    pub attempt_timeout: Duration,
    /// How long one node gets to accept a connection.
    pub connect_timeout: Duration,
    /// Go on until the deadline while no node takes a connection, as for a cluster that is being started. Else a call ends in
    /// [`crate::Error::Unreachable`] after each node has refused once, unless this client has reached one before. A node
    /// that says nothing at all is tried until the deadline in any case.
    pub wait_for_nodes: bool,
    /// Draw an `Idempotency-Key` for every enqueue, consume and retry that comes without one, so that it can be
    /// repeated when an answer was lost. Without a key such a call ends in [`crate::Error::Unknown`] instead.
    pub draw_keys: bool,
    /// Use the nodes in an order of this client's own, so that many clients spread over them. Else the first node that
    /// was given is used while it works.
    pub shuffle: bool,
}

impl ClientConfig {
    /// What the connections to nodes need that are spoken to over TLS.
    pub fn tls(&self) -> quorate_tls::rustls::ClientConfig {
        quorate_tls::client(self.trust.as_ref(), self.identity.as_ref(), &[b"http/1.1"])
    }

    /// Whether all nodes are spoken to over TLS, also those that are no URLs.
    pub fn is_tls(&self) -> bool {
        self.trust.is_some() || self.identity.is_some()
    }

    /// The defaults for these nodes: 30 s for a call, 7 s for an attempt, of which a node may wait 5 s for a leader as it
    /// does by default, 1 s for a connection.
    pub fn new(nodes: impl IntoIterator<Item = impl Into<String>>) -> ClientConfig {
        ClientConfig {
            nodes: nodes.into_iter().map(Into::into).collect(),
            trust: None,
            identity: None,
            token: None,
            deadline: Duration::from_secs(30),
            attempt_timeout: Duration::from_secs(7),
            connect_timeout: Duration::from_secs(1),
            wait_for_nodes: true,
            draw_keys: true,
            shuffle: true,
        }
    }
}

impl fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientConfig")
            .field("nodes", &self.nodes)
            .field("trust", &self.trust)
            .field("identity", &self.identity)
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}
