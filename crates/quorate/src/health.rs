use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use quorate_client::{Client, ClientConfig, Probe};

use crate::dev::LocalCluster;
use crate::duration::{HumanDuration, within};
use crate::limits::LONGEST_WAIT;
use crate::output::{self, Output};
use crate::runtime;

/// Ask one node whether it is well.
///
/// Exit code 0: it is; 5: it is not, or does not answer. With --wait it is asked again until it is.
#[derive(Args)]
pub(crate) struct HealthArgs {
    /// The node, HOST:PORT or a URL.
    #[arg(long, env = "QUORATE_HEALTH_URL", value_name = "NODE", default_value = "127.0.0.1:8080")]
    url: String,
    /// Ask whether it can serve (it has recovered, and reaches a majority through the leader), not only whether it lives.
    #[arg(long)]
    ready: bool,
    /// Wait so long for it to be so, at most.
    #[arg(long, value_name = "DURATION", value_parser = within(Duration::ZERO..=LONGEST_WAIT))]
    wait: Option<HumanDuration>,
}

/// Asks, and prints one line.
///
/// # Errors
/// The node is not well, or not in time.
pub(crate) fn main(args: &HealthArgs) -> anyhow::Result<ExitCode> {
    let (probe, word) = if args.ready { (Probe::Ready, "ready") } else { (Probe::Alive, "alive") };
    let client = client(&args.url)?;
    runtime::on_one_thread(wait_until_well(&client, probe, word, args.wait))?;
    let mut out = Output::default();
    out.line(word);
    out.end(None)?;
    Ok(ExitCode::SUCCESS)
}

async fn wait_until_well(
    client: &Client,
    probe: Probe,
    word: &str,
    wait: Option<HumanDuration>,
) -> anyhow::Result<()> {
    let started = Instant::now();
    let left = || wait.map_or(PROBE, |wait| wait.0.saturating_sub(started.elapsed()));
    let mut earlier = None;
    loop {
        let Err(said) = client.probe(probe, left().min(PROBE)).await else { return Ok(()) };
        let Some(wait) = wait else { return Err(said.into()) };
        if left() <= POLL {
            // A probe that was cut short says less than one before it.
            let said = earlier.unwrap_or(said);
            return Err(anyhow::Error::new(said).context(format!("not {word} after {wait}")));
        }
        if earlier.is_none() {
            output::remark(format_args!("waiting until the node is {word}"));
        }
        earlier = Some(said);
        tokio::time::sleep(POLL).await;
    }
}

/// Waits until every node of a local cluster is ready, but for those that somebody kills meanwhile.
///
/// # Errors
/// One of them ended by itself, or is not ready after `patience`.
pub(crate) async fn wait_until_ready(cluster: &mut LocalCluster, patience: Duration) -> anyhow::Result<()> {
    let deadline = Instant::now() + patience;
    for (position, url) in cluster.urls().into_iter().enumerate() {
        let client = client(&url)?;
        while let Err(error) = client.probe(Probe::Ready, PROBE).await {
            cluster.check_running().await?;
            if cluster.was_killed(position)? {
                break;
            }
            if Instant::now() >= deadline {
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
    Client::new(ClientConfig::new([url])).context("url")
}
