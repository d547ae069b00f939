use std::time::Duration;

use anyhow::{Context, bail};
use quorate_client::{Client, Probe};
use tokio::time::Instant;

use super::LocalCluster;
use crate::limits::{READY_POLL, READY_PROBE};

/// Waits until every node of a local cluster is ready, but for those that somebody kills meanwhile.
///
/// # Errors
/// One of them ended by itself, or is not ready after `patience`.
pub(crate) async fn wait_until_ready(cluster: &mut LocalCluster, patience: Duration) -> anyhow::Result<()> {
    let deadline = Instant::now() + patience;
    for (position, url) in cluster.urls().into_iter().enumerate() {
        let client = Client::new(cluster.client_config(&url)).context("url")?;
        while let Err(error) = client.probe(Probe::Ready, READY_PROBE).await {
            cluster.check_running().await?;
            if cluster.was_killed(position)? {
                break;
            }
            if Instant::now() >= deadline {
                bail!("not ready after {} s: {error}", patience.as_secs());
            }
            tokio::time::sleep(READY_POLL).await;
        }
    }
    Ok(())
}
