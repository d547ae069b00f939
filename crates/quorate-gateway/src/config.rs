use std::time::Duration;

use quorate_core::limits;
use tokio_util::sync::CancellationToken;

/// How a gateway behaves.
#[derive(Clone, Debug)]
pub struct GatewayConfig {
    /// This node's name, sent as `Quorate-Node` with every answer. Visible ASCII.
    pub node: String,
    /// Longest payload of a job, in bytes; at most [`limits::PAYLOAD_BYTES`].
    pub payload_bytes: usize,
    /// How long a write may take until it is answered with 503; at most [`limits::REQUEST_MILLIS`].
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
            payload_bytes: limits::PAYLOAD_BYTES,
            write_wait: Duration::from_secs(5),
            read_wait: Duration::from_secs(5),
            body_read: Duration::from_secs(30),
            body_memory: 192 << 20,
            body_memory_small: 48 << 20,
            answer_memory: 128 << 20,
            answer_memory_small: 32 << 20,
            waiting_consumes: 16_000,
            shutdown: CancellationToken::new(),
        }
    }
}
