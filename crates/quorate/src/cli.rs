use clap::{Parser, Subcommand};

use crate::{
    backup, bench, cert, cluster, completions, demo, dev, health, job, manual, operation, queue, recover,
    restore, run, serve, token, worker,
};

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
    #[command(alias = "jobs")]
    Job(job::JobArgs),
    /// Watch and stop work on many jobs, which `job retry`, `cancel` and `delete` begin.
    #[command(alias = "operations")]
    Operation(operation::OperationArgs),
    /// Look at queues, set them, pause and purge them.
    #[command(alias = "queues")]
    Queue(queue::QueueArgs),
    /// Look at the workers that hold jobs, and give back what one holds that is gone.
    #[command(alias = "workers")]
    Worker(worker::WorkerArgs),
    /// Make tokens, by which nodes know their callers.
    Token(token::TokenArgs),
    /// Make certificates, by which nodes know each other.
    Cert(cert::CertArgs),
    /// Look at the cluster and its settings.
    Cluster(cluster::ClusterArgs),
    Backup(backup::BackupArgs),
    Restore(restore::RestoreArgs),
    Recover(recover::RecoverArgs),
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

#[cfg(test)]
mod tests;
