use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use quorate_client::{Client, ClientConfig};

use crate::duration::{HumanDuration, within};
use crate::environment::{Item, items};
use crate::limits::DEADLINE;
use crate::{bench, cluster, completions, demo, dev, health, job, manual, run, runtime, serve};

/// A job queue that is there as long as a quorum of its nodes is.
#[derive(Parser)]
#[command(name = "quorate", version, long_about = LONG, after_help = SHORT, after_long_help = AFTER, propagate_version = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const LONG: &str = "A job queue that is there as long as a quorum of its nodes is.

Several nodes keep one table of jobs by Raft. Every node answers the Titan API v1 over HTTP. An answer to a write
goes out after a majority of the nodes has it on disk.";

const SHORT: &str = "`quorate --help` says more, and so does `quorate COMMAND --help`.";

const AFTER: &str = "First steps:
  quorate dev --nodes 3 --data-dir /tmp/quorate     start a cluster on this machine
  quorate job enqueue --image hello --payload hi    enqueue a job
  quorate run --program 'hello=/usr/bin/cat'        run jobs of the image `hello` with cat
  quorate job list                                  see what is waiting and running
  quorate cluster status                            see the nodes

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 refused (the job's status does not allow it),
5 no node or no majority answered, and nothing was done (of a bulk enqueue: nothing more; of `cluster status`: the
cluster can take no writes), 6 the outcome is unknown.
`quorate job wait` also: 7 a job has failed or was cancelled, 8 a job has not ended in the time given.";

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run one node of a cluster.
    Serve(Box<serve::ServeArgs>),
    /// Run a whole cluster on this machine, each node a process of its own.
    Dev(dev::DevArgs),
    /// Run jobs: take them from the cluster and hand them to programs or containers.
    Run(run::RunArgs),
    /// Enqueue, look at and steer jobs.
    Job(job::JobArgs),
    /// Look at the cluster and its settings.
    Cluster(cluster::ClusterArgs),
    /// The same as `cluster status`.
    Status(cluster::StatusArgs),
    /// Ask one node whether it is well; the exit code says it.
    Health(health::HealthArgs),
    /// Measure a cluster: many clients enqueue, consume and finish jobs.
    Bench(bench::BenchArgs),
    /// Show it all: three nodes, real jobs and a killed leader.
    Demo(demo::DemoArgs),
    /// Print what makes a shell complete commands and flags.
    Completions(completions::CompletionsArgs),
    /// Write the man pages, one for each command.
    Man(manual::ManArgs),
}

/// The nodes of `quorate dev`.
pub(crate) const NODES: &str = "127.0.0.1:8080,127.0.0.1:8081,127.0.0.1:8082";

/// Which cluster to speak to, and how to print what it says.
#[derive(Args, Clone)]
pub(crate) struct Target {
    /// The nodes, HOST:PORT or URLs, separated by commas; any of them will do, more of them survive a dead one.
    #[arg(long, env = "QUORATE_NODES", value_delimiter = ',', value_name = "NODE,…", default_value = NODES)]
    pub(crate) nodes: Vec<Item<String>>,
    /// How long a command may take, retries included.
    #[arg(long, env = "QUORATE_DEADLINE", value_name = "DURATION", default_value = "10s", value_parser = within(DEADLINE))]
    pub(crate) deadline: HumanDuration,
    /// Print JSON, for machines.
    #[arg(long)]
    pub(crate) json: bool,
}

impl Target {
    /// Runs calls on a client of this cluster.
    ///
    /// # Errors
    /// The calls', or the URLs are no URLs.
    pub(crate) fn block_on<T, E: Into<anyhow::Error>>(
        &self,
        calls: impl AsyncFnOnce(&Client) -> Result<T, E>,
    ) -> anyhow::Result<T> {
        let client = self.client()?;
        runtime::on_one_thread(async { calls(&client).await.map_err(Into::into) })
    }

    fn client(&self) -> anyhow::Result<Client> {
        let HumanDuration(deadline) = self.deadline;
        let config =
            ClientConfig { deadline, wait_for_nodes: false, ..ClientConfig::new(items(&self.nodes)) };
        Client::new(config).context("nodes")
    }
}
