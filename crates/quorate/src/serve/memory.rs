use quorate_gateway::{ConnectionLimits, GatewayConfig};

use crate::limits::PROGRAM_BYTES;

/// The sum of everything that a node holds in memory, at most, in bytes; each part stands beside the limits that it is the
/// sum of. What sockets hold in the kernel comes on top.
pub(crate) fn bound(gateway: &GatewayConfig, connections: &ConnectionLimits) -> usize {
    let watchers = ConnectionLimits::for_watchers();
    PROGRAM_BYTES
        + quorate_node::MEMORY_BYTES
        + gateway.memory_bytes()
        + connections.memory_bytes(gateway.tls.is_some())
        + watchers.memory_bytes(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `deploy/compose.yaml` gives a node.
    #[test]
    fn a_node_fits_into_what_it_is_given() {
        let bound = bound(&GatewayConfig::default(), &ConnectionLimits::default());
        assert!(bound <= 2 << 30, "{} MiB", bound >> 20);
    }
}
