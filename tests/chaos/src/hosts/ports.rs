use std::net::TcpListener;

use anyhow::ensure;

/// Ports that nothing uses, below those that the kernel gives to outgoing connections: a node that is down would find
/// its own taken otherwise. Runs at the same time begin at different ones, and the program's own tests have those from 20,000.
///
/// # Errors
/// There are not so many.
pub fn free_ports(count: usize) -> anyhow::Result<Vec<u16>> {
    let spread = u16::try_from(std::process::id() % 500)? * 20;
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let ports: Vec<u16> = (10_000 + spread..20_000).filter(free).take(count).collect();
    ensure!(ports.len() == count, "no free ports");
    Ok(ports)
}
