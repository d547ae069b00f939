use std::sync::Arc;
use std::time::Duration;

use quorate_core::limits::PAYLOAD_BYTES;
use quorate_tls::Trust;
use tokio_rustls::rustls::ServerConfig;
use tokio_util::sync::CancellationToken;

use crate::{Access, Traces, limits};

/// How a gateway behaves.
#[derive(Clone, Debug)]
pub struct GatewayConfig {
    /// This node's name, sent as `Quorate-Node` with every answer. Visible ASCII.
    pub node: String,
    /// Longest payload of a job, in bytes; at most [`PAYLOAD_BYTES`].
    pub payload_bytes: usize,
    /// How long a write may take until it is answered with 503; at most [`quorate_core::limits::REQUEST_MILLIS`].
    pub write_wait: Duration,
    /// How long a linearizable read may wait for the leader until it is answered with 503.
    pub read_wait: Duration,
    /// Longest time to the end of a request's body.
    pub body_read: Duration,
    /// Bytes of request bodies in memory at once, over all requests; more are answered with 429.
    pub body_memory: usize,
    /// As much of it is for bodies of at most 64 KiB alone.
    pub body_memory_small: usize,
    /// Bytes that answers hold at once, over all requests, until their clients have taken them. Reads that find no room are
    /// answered with 429.
    pub answer_memory: usize,
    /// As much of it is for answers that hold at most 64 KiB.
    pub answer_memory_small: usize,
    /// Consumes that wait at once; more are answered with 429.
    pub waiting_consumes: usize,
    /// Jobs that one caller may enqueue in a second through this node, in the long run; more are answered with 429. `None`: as many as
    /// it likes. What its token says goes before it.
    pub caller_rate: Option<u32>,
    /// Who may ask for what.
    pub access: Access,
    /// Names by which a browser may call this node, and on this machine whoever sends no token.
    pub hosts: Vec<String>,
    /// This node lets strangers in, as it was told to: `/readyz` says so.
    pub insecure: bool,
    /// With it, [`crate::Gateway::serve`] speaks TLS and nothing else.
    pub tls: Option<Arc<ServerConfig>>,
    /// Whose clients `tls` lets in, where it asks for certificates: a connection ends when its client would not be let in any more.
    pub tls_clients: Option<Trust>,
    /// What is told of requests.
    pub traces: Traces,
    /// When it is cancelled, consumes that wait are answered early, and [`crate::Gateway::serve`] ends.
    pub shutdown: CancellationToken,
}

impl GatewayConfig {
    /// The sum of what bodies and answers hold in memory, at most, in bytes.
    pub fn memory_bytes(&self) -> usize {
        self.body_memory + self.answer_memory
    }
}

impl Default for GatewayConfig {
    fn default() -> GatewayConfig {
        GatewayConfig {
            node: "quorate".into(),
            payload_bytes: PAYLOAD_BYTES,
            write_wait: limits::WRITE_WAIT,
            read_wait: limits::WRITE_WAIT,
            body_read: limits::BODY_READ,
            body_memory: limits::BODY_MEMORY_BYTES,
            body_memory_small: limits::BODY_MEMORY_SMALL_BYTES,
            answer_memory: limits::ANSWER_MEMORY_BYTES,
            answer_memory_small: limits::ANSWER_MEMORY_SMALL_BYTES,
            waiting_consumes: limits::WAITING_CONSUMES,
            caller_rate: None,
            access: Access::open(),
            hosts: Vec::new(),
            insecure: false,
            tls: None,
            tls_clients: None,
            traces: Traces::default(),
            shutdown: CancellationToken::new(),
        }
    }
}
