use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Args;
use quorate_client::{Client, ClientConfig, Error};
use quorate_runner::{
    Docker, DockerConfig, Driver, Event, Outcome, Process, Program, Programs, Runner, RunnerConfig, Shutdown,
    reap_orphans,
};

use crate::duration::{HumanDuration, within};
use crate::ending::Ending;
use crate::environment::{Item, items};
use crate::job::word;
use crate::logging::{self, LogFormat};
use crate::number::{decimal, number};
use crate::patience::say_how_it_is;
use crate::target::{NODES, Tls, Token, keep_fresh};
use crate::wrong_usage::{WrongUsage, wrong_usage};
use crate::{limits, runtime, worker};

/// Run jobs: take them from the cluster and hand them to programs or containers.
///
/// A job's image chooses what runs. --program maps an image's name to a local program; with --docker every other image is
/// a container image, or those of --image are. Jobs of other images are left for other runners. The payload comes on standard input and in PAYLOAD, the job's id in JOB_ID; what the job writes
/// becomes its log; exit status 0 is success. SIGTERM, Ctrl-C, SIGHUP: take nothing new, finish what runs. Twice: stop what runs too, and give it back.
#[derive(Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct RunArgs {
    /// The nodes, HOST:PORT or URLs, separated by commas. They need not be there yet: it waits for them.
    #[arg(long, env = "QUORATE_NODES", value_delimiter = ',', value_name = "NODE,…", default_value = NODES)]
    nodes: Vec<Item<String>>,
    #[command(flatten)]
    token: Token,
    #[command(flatten)]
    tls: Tls,
    /// The queues to take jobs from: `a,b`, the first of these that has one; `a:5,b:1`, drawn by weight; `*`, all [default: default].
    #[arg(long, env = "QUORATE_QUEUE", value_name = "QUEUE,…", value_parser = queues)]
    queue: Option<String>,
    /// Use the first node while it works, instead of an order of this runner's own.
    #[arg(long, env = "QUORATE_IN_ORDER")]
    in_order: bool,
    /// Jobs at once.
    #[arg(short, long, env = "QUORATE_CONCURRENCY", default_value_t = 4, value_parser = number::<usize>(1..=1_000))]
    concurrency: usize,
    /// Run jobs of an image with a local program: `wordcount=/usr/bin/wc -w`. Repeat it, or separate by `;`.
    #[arg(long, env = "QUORATE_PROGRAMS", value_delimiter = ';', value_name = "IMAGE=PROGRAM [ARGUMENT…]")]
    program: Vec<Item<Program>>,
    /// Run jobs of all other images as containers, on the engine that DOCKER_HOST names or the local one.
    #[arg(long, env = "QUORATE_DOCKER")]
    docker: bool,
    /// With --docker, run only jobs of these images as containers, instead of any. Repeat it, or separate by commas.
    #[arg(long, env = "QUORATE_IMAGES", value_delimiter = ',', value_name = "IMAGE")]
    image: Vec<Item<String>>,
    /// This runner's name: the same at every start, and no other's. What it held when it was killed is given back when it starts
    /// again; with --docker the containers are found by it that were left behind [default: the machine's host name, to the cluster
    /// with random characters behind it, and nothing is given back].
    #[arg(long, env = "QUORATE_RUNNER_NAME", value_parser = worker::name)]
    name: Option<String>,
    /// Memory of a container, in MiB.
    #[arg(long, env = "QUORATE_DOCKER_MEMORY", default_value_t = 256, value_parser = number::<u64>(6..=16_777_216))]
    docker_memory: u64,
    /// Processors of a container.
    #[arg(long, env = "QUORATE_DOCKER_CPUS", default_value_t = 1.0, value_parser = decimal(0.01..=4_096.0))]
    docker_cpus: f64,
    /// Network of a container [default: the engine's default].
    #[arg(long, env = "QUORATE_DOCKER_NETWORK")]
    docker_network: Option<String>,
    /// Time between SIGTERM and SIGKILL for a job that must end.
    #[arg(long, env = "QUORATE_GRACE", value_name = "DURATION", default_value = "5s", value_parser = within(Duration::ZERO..=limits::LONGEST_GRACE))]
    grace: HumanDuration,
    /// Let a job run longer than its timeout, as long as this runner lives to touch it.
    #[arg(long, env = "QUORATE_EXTEND_TIMEOUT")]
    extend_timeout: bool,
    /// How to log to standard error.
    #[arg(long, env = "QUORATE_LOG_FORMAT", value_enum, default_value_t)]
    log_format: LogFormat,
    /// What to log.
    #[arg(long, env = "QUORATE_LOG_LEVEL", default_value = logging::LEVEL, value_parser = logging::level)]
    log_level: String,
}

const EXAMPLE: &str = "Examples:
  quorate run --program 'wordcount=/usr/bin/wc -w' --program 'sha256=/usr/bin/sha256sum'
  quorate run --program 'mail=/usr/local/bin/mail' --queue critical:5,mails:1
  quorate run --docker --docker-memory 512 --concurrency 8 --nodes n1:8080,n2:8080,n3:8080";

/// Queues as a consume takes them; for `value_parser`.
fn queues(given: &str) -> Result<String, String> {
    quorate_gateway::check_queues(given).map(|()| given.to_owned())
}

/// Runs jobs until SIGTERM or Ctrl-C.
///
/// # Errors
/// A flag is wrong, a program can't be executed, or the container engine does not answer.
pub(crate) fn main(args: RunArgs) -> anyhow::Result<ExitCode> {
    logging::start(args.log_format, &args.log_level, None)?;
    // The programs that it runs are of the same user, and could read its token in /proc.
    nix::sys::prctl::set_dumpable(false).context("prctl")?;
    runtime::on_threads(run(args))
}

async fn run(args: RunArgs) -> anyhow::Result<ExitCode> {
    let (nodes, programs) = (items(&args.nodes), items(&args.program));
    ensure!(
        !programs.is_empty() || args.docker,
        wrong_usage(
            "nothing to run: give --program IMAGE=PROGRAM for a local program, or --docker for containers"
        )
    );
    let images = items(&args.image);
    ensure!(
        images.is_empty() || args.docker,
        wrong_usage("image: it says which images --docker runs, and that is not given")
    );
    if !args.docker || !images.is_empty() {
        let images = programs.iter().map(|program| program.image().to_owned()).chain(images);
        let images: Vec<String> = images.collect::<BTreeSet<_>>().into_iter().collect();
        quorate_gateway::check_consumer(args.queue.as_deref(), &images)
            .map_err(|why| wrong_usage(format!("one runner cannot ask for all that: {why}")))?;
    }
    let config =
        ClientConfig { token: args.token.read()?, shuffle: !args.in_order, ..args.tls.config(&nodes)? };
    keep_fresh(&config);
    let client = Client::new(config).context("nodes")?;
    let mut ending = Ending::listen()?;
    say_how_it_is(&client);
    let start = async {
        let drivers = drivers(&args, programs, &client).await?;
        first_answer(&client).await;
        anyhow::Ok(drivers)
    };
    let drivers = tokio::select! {
        drivers = start => drivers?,
        () = ending.wait() => {
            if let Some(why) = client.trouble() {
                tracing::warn!("ending before a node has answered: {why}");
            }
            return Ok(ExitCode::SUCCESS);
        }
    };
    let config = RunnerConfig {
        concurrency: args.concurrency,
        queue: args.queue.clone(),
        worker: Some(args.name.clone().unwrap_or_else(drawn_name)),
        replaces: args.name.is_some(),
        extend_timeout: args.extend_timeout,
        ..RunnerConfig::default()
    };
    reap_orphans()?;
    let shutdown = Shutdown::new();
    let runner = Runner::new(client, drivers, config).on_event(log_event);
    tracing::info!(concurrency = args.concurrency, nodes = nodes.join(","), "taking jobs");
    let running = runner.run(&shutdown);
    tokio::pin!(running);
    loop {
        tokio::select! {
            () = &mut running => break,
            () = ending.wait() => shutdown.signal(),
        }
        tracing::info!("ending: nothing new is taken; a second signal stops what runs");
    }
    Ok(ExitCode::SUCCESS)
}

async fn drivers(
    args: &RunArgs,
    programs: Vec<Program>,
    client: &Client,
) -> anyhow::Result<Vec<Arc<dyn Driver>>> {
    let HumanDuration(grace) = args.grace;
    let mut drivers: Vec<Arc<dyn Driver>> = Vec::new();
    if !programs.is_empty() {
        let programs = Programs::new(programs).context("program").context(WrongUsage)?;
        programs.check().context("program")?;
        drivers.push(Arc::new(Process::new(programs, grace)));
    }
    if args.docker {
        let config = DockerConfig {
            images: items(&args.image),
            memory_bytes: args.docker_memory.saturating_mul(1 << 20),
            cpus: args.docker_cpus,
            network: args.docker_network.clone(),
            runner: args.name.clone().unwrap_or_else(host_name),
            grace,
            ..DockerConfig::default()
        };
        let docker = Docker::connect(config).await.context("docker")?.for_cluster(cluster_id(client).await);
        let left_behind = docker.clone();
        tokio::spawn(async move {
            if let Err(error) = left_behind.clear_left_behind().await {
                tracing::warn!("containers may have been left behind by an earlier run: {error}");
            }
        });
        drivers.push(Arc::new(docker));
    }
    Ok(drivers)
}

/// Waits until a node answers, whatever it says. The client says where none does.
async fn first_answer(client: &Client) {
    while let Err(error) = client.cluster().await
        && !matches!(error, Error::Refused(_) | Error::Protocol(_) | Error::Config(_))
    {
        tokio::time::sleep(limits::CLUSTER_ID_AGAIN).await;
    }
}

/// The cluster's id, once it has one and answers; empty if it tells none.
async fn cluster_id(client: &Client) -> String {
    loop {
        match client.cluster().await {
            Ok(cluster) if !cluster.id.is_empty() => return cluster.id,
            Ok(_before_its_bootstrap) => {}
            // The client says it.
            Err(Error::Unreachable(_) | Error::Tls(_)) => {}
            Err(error @ (Error::Unavailable(_) | Error::Unknown(_))) => {
                tracing::warn!("the cluster's id is not known yet: {error}");
            }
            Err(error @ (Error::Refused(_) | Error::Protocol(_) | Error::Config(_))) => {
                tracing::warn!("the cluster's id is not known: {error}");
                return String::new();
            }
        }
        tokio::time::sleep(limits::CLUSTER_ID_AGAIN).await;
    }
}

fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned()
}

/// A name that no other runner has, nor this one when it starts again.
fn drawn_name() -> String {
    let mut host = host_name();
    host.truncate(host.floor_char_boundary(limits::HOST_NAME_BYTES));
    let drawn = Client::draw_key();
    format!("{host}-{}", drawn.get(..8).unwrap_or(&drawn))
}

fn log_event(event: Event) {
    match event {
        Event::Started { job_id, image } => tracing::info!(job_id, image, "started"),
        Event::Finished { job_id, outcome, took } => {
            let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            match outcome {
                Outcome::Success => tracing::info!(job_id, ms, "success"),
                Outcome::Failed { reason, details } => {
                    let reason = word(&reason);
                    tracing::info!(job_id, ms, reason, details, "failed");
                }
                Outcome::Released => tracing::info!(job_id, ms, "given back"),
                Outcome::Dropped(why) => tracing::warn!(job_id, ms, why, "dropped"),
                Outcome::Unreported(why) => tracing::error!(job_id, ms, why, "not reported"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// docs/runner.md promises it; what it waits for by its own clock, its crate says.
    #[test]
    fn an_idle_runner_ends_within_two_seconds() {
        assert!(quorate_runner::LAST_CONSUME + limits::LAST_WORK < Duration::from_secs(2));
    }
}
