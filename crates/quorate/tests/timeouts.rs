//! What one crate waits for must be shorter than what the next one outwards does: docs/timeouts.md.

use quorate_client::ClientConfig;
use quorate_gateway::{ConnectionLimits, GatewayConfig};

#[test]
fn who_waits_for_an_answer_waits_longer_than_who_gives_it() {
    let client = ClientConfig::new(["http://127.0.0.1:1"]);
    let (gateway, connections) = (GatewayConfig::default(), ConnectionLimits::default());
    assert!(client.deadline > client.attempt_timeout);
    assert!(client.attempt_timeout > gateway.write_wait.max(gateway.read_wait));
    assert!(client.attempt_timeout > client.connect_timeout);
    assert!(connections.drain > gateway.write_wait.max(gateway.read_wait));
}
