use anyhow::{bail, ensure};

/// Who is where, as `--peers` says it. What makes a good list, the node itself checks: [`quorate_node::NodeConfig::check`].
///
/// # Errors
/// It is no such list.
pub(crate) fn parse(list: &str) -> anyhow::Result<Vec<(String, String)>> {
    let mut peers = Vec::new();
    for item in list.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        let Some((name, addr)) = item.split_once('=') else {
            bail!("peers: `{item}` is not NAME=HOST:PORT, for example n1=10.0.0.1:9080");
        };
        let port =
            addr.rsplit_once(':').and_then(|(host, port)| (!host.is_empty()).then(|| port.parse::<u16>()));
        ensure!(matches!(port, Some(Ok(1..))), "peers: `{addr}` (of {name}) is not HOST:PORT");
        peers.push((name.to_owned(), addr.to_owned()));
    }
    Ok(peers)
}
