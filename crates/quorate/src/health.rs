use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use quorate_client::api::Health;
use quorate_client::{Client, NotWell, Probe};

use crate::duration::{HumanDuration, within};
use crate::hint::Hint;
use crate::limits::{LONGEST_WAIT, READY_POLL, READY_PROBE};
use crate::output::{self, Output};
use crate::runtime;
use crate::target::{Tls, keep_fresh};

/// Ask one node whether it is well.
///
/// Exit code 0: it is; 5: it is not, or does not answer. With --wait it is asked again until it is.
#[derive(Args)]
pub(crate) struct HealthArgs {
    /// The node, HOST:PORT or a URL [default: 127.0.0.1:8080].
    #[arg(long, env = "QUORATE_HEALTH_URL", value_name = "NODE")]
    url: Option<String>,
    #[command(flatten)]
    tls: Tls,
    /// Print JSON, for machines.
    #[arg(long)]
    json: bool,
    /// Ask whether it can serve (it has recovered, and reaches a majority through the leader), not only whether it lives.
    #[arg(long)]
    ready: bool,
    /// Wait so long for it to be so, at most.
    #[arg(long, value_name = "DURATION", value_parser = within(Duration::ZERO..=LONGEST_WAIT))]
    wait: Option<HumanDuration>,
}

/// The node that is asked where none is named: the first of `quorate dev`, or the one that a container runs.
const DEFAULT: &str = "127.0.0.1:8080";

/// Asks, and prints one line.
///
/// # Errors
/// The node is not well, or not in time.
pub(crate) fn main(args: &HealthArgs) -> anyhow::Result<ExitCode> {
    let (probe, word) = if args.ready { (Probe::Ready, "ready") } else { (Probe::Alive, "alive") };
    let config = args.tls.config(&[args.url.clone().unwrap_or_else(|| DEFAULT.to_owned())])?;
    let said = runtime::on_one_thread(async {
        keep_fresh(&config);
        let client = Client::new(config).context("url")?;
        wait_until_well(&client, probe, word, args.wait).await
    });
    let said = said.map_err(|error| match error.downcast_ref::<NotWell>() {
        Some(NotWell { is_unreachable: true, .. }) if args.url.is_none() => error.context(hint()),
        _ => error,
    })?;
    let mut out = Output::default();
    if args.json {
        out.json(&said);
    } else {
        out.line(word);
    }
    if said.insecure && !args.json {
        output::remark("warning: the node is open (--insecure): whoever reaches its ports may do everything");
    }
    out.end(None)?;
    Ok(ExitCode::SUCCESS)
}

/// What to do where nothing listens at the default.
fn hint() -> Hint {
    let nodes = std::env::var("QUORATE_NODES").unwrap_or_default();
    let of_nodes = match nodes.is_empty() || nodes.contains(DEFAULT) {
        true => "",
        false => ": those of QUORATE_NODES are not asked",
    };
    Hint(format!(
        "It asks one node, {DEFAULT} unless --url NODE (QUORATE_HEALTH_URL) names another one{of_nodes}."
    ))
}

async fn wait_until_well(
    client: &Client,
    probe: Probe,
    word: &str,
    wait: Option<HumanDuration>,
) -> anyhow::Result<Health> {
    let started = Instant::now();
    let left = || wait.map_or(READY_PROBE, |wait| wait.0.saturating_sub(started.elapsed()));
    let mut earlier = None;
    loop {
        let said = match client.probe(probe, left().min(READY_PROBE)).await {
            Ok(said) => return Ok(said),
            Err(said) => said,
        };
        let Some(wait) = wait else { return Err(said.into()) };
        if left() <= READY_POLL {
            // A probe that was cut short says less than one before it.
            let said = earlier.unwrap_or(said);
            return Err(anyhow::Error::new(said).context(format!("not {word} after {wait}")));
        }
        if earlier.is_none() {
            output::remark(format_args!("waiting until the node is {word}"));
        }
        earlier = Some(said);
        tokio::time::sleep(READY_POLL).await;
    }
}
