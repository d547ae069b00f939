use quorate_gateway::{ConnectionLimits, GatewayConfig};

use crate::limits::PROGRAM_BYTES;

/// The sum of everything that a node holds in memory, at most, in bytes; each part stands beside the limits that it is the
/// sum of. What sockets hold in the kernel comes on top.
pub(crate) fn bound(gateway: &GatewayConfig, connections: &ConnectionLimits) -> usize {
    sum(gateway, connections, gateway.tls.is_some())
}

fn sum(gateway: &GatewayConfig, connections: &ConnectionLimits, is_tls: bool) -> usize {
    let watchers = ConnectionLimits::for_watchers();
    PROGRAM_BYTES
        + quorate_node::MEMORY_BYTES
        + gateway.memory_bytes()
        + connections.memory_bytes(is_tls)
        + watchers.memory_bytes(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mib(is_tls: bool) -> usize {
        sum(&GatewayConfig::default(), &ConnectionLimits::default(), is_tls) >> 20
    }

    #[test]
    fn a_node_without_tls_fits_into_two_gibibytes() {
        assert!(mib(false) < 2_048, "{} MiB", mib(false));
    }

    #[test]
    fn a_node_of_the_compose_stack_fits_into_what_it_is_given() {
        let settings = include_str!("../../../../deploy/.env");
        let given = settings.lines().find_map(|line| line.strip_prefix("NODE_MEMORY=")?.strip_suffix('m'));
        let given: usize = given.expect("MiB").parse().expect("a number");
        assert!(mib(true) < given, "{} of {given} MiB", mib(true));
    }
}
