use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use quorate_client::{Client, ClientConfig, Probe};

use crate::dev::LocalCluster;
use crate::output::Output;

/// Ask one node whether it is well.
///
/// Exit code 0: it is; 5: it is not, or does not answer.
#[derive(Args)]
pub(crate) struct HealthArgs {
    /// The node's URL.
    #[arg(long, env = "QUORATE_HEALTH_URL", value_name = "URL", default_value = "http://127.0.0.1:8080")]
    url: String,
    /// Ask whether it can serve (it has recovered, and reaches a majority through the leader), not only whether it lives.
    #[arg(long)]
    ready: bool,
}

/// Asks, and prints one line.
///
/// # Errors
/// The node is not well.
pub(crate) fn main(args: &HealthArgs) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (probe, word) = if args.ready { (Probe::Ready, "ready") } else { (Probe::Alive, "alive") };
    let client = client(&args.url)?;
    runtime.block_on(client.probe(probe))?;
    let mut out = Output::default();
    out.line(word);
    out.end(None)?;
    Ok(ExitCode::SUCCESS)
}

/// Waits until every node of a local cluster is ready, but for those that somebody kills meanwhile.
///
/// # Errors
/// One of them ended by itself, or is not ready after `patience`.
pub(crate) async fn wait_until_ready(cluster: &mut LocalCluster, patience: Duration) -> anyhow::Result<()> {
    let deadline = tokio::time::Instant::now() + patience;
    for (position, url) in cluster.urls().into_iter().enumerate() {
        let client = client(&url)?;
        while let Err(error) = client.probe(Probe::Ready).await {
            cluster.check_running().await?;
            if cluster.was_killed(position)? {
                break;
            }
            if tokio::time::Instant::now() >= deadline {
                bail!("not ready after {} s: {error}", patience.as_secs());
            }
            tokio::time::sleep(POLL).await;
        }
    }
    Ok(())
}

/// How often a node that is not ready yet is asked again.
const POLL: Duration = Duration::from_millis(50);

/// How long a node gets to say whether it is well. It asks itself and others, for up to 2 s.
const PROBE: Duration = Duration::from_secs(3);

fn client(url: &str) -> anyhow::Result<Client> {
    let config = ClientConfig { attempt_timeout: PROBE, ..ClientConfig::new([url]) };
    Client::new(config).context("url")
}
