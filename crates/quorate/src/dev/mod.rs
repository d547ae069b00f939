mod local_cluster;
mod node_log;
mod ready;
mod taken;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::ensure;
use clap::Args;

use crate::background::Background;
use crate::ending::Ending;
use crate::number::number;
use crate::{logging, output, runtime};

pub(crate) use local_cluster::LocalCluster;
pub(crate) use ready::wait_until_ready;
use taken::Taken;

/// Run a whole cluster on this machine, each node a process of its own.
///
/// Prints every node's URL and process id, then one line `ready`. Kill a node with `kill -9 PID` to see the others go
/// on; Ctrl-C ends them all, and the same command starts them again with what they had. When none is left it ends with
/// exit code 1.
#[derive(Args)]
pub(crate) struct DevArgs {
    /// How many nodes.
    #[arg(long, default_value_t = 3, value_parser = number::<u16>(1..=9))]
    nodes: u16,
    /// The first node's HTTP port; the others use the ports behind it.
    #[arg(long, default_value_t = 8080, value_parser = number::<u16>(1..=65_535))]
    http_port: u16,
    /// The first node's peer port; the others use the ports behind it [default: 1000 above --http-port].
    #[arg(long, value_parser = number::<u16>(1..=65_535))]
    peer_port: Option<u16>,
    /// Where the nodes keep everything, a folder for each.
    #[arg(long, value_name = "DIR", default_value = "quorate-dev")]
    data_dir: PathBuf,
    /// Speak TLS: to clients, and among the nodes. A CA and certificates for it are made in the data directory, in `tls`.
    #[arg(long)]
    tls: bool,
    /// What the nodes log, to a file for each in the data directory.
    #[arg(long, default_value = logging::LEVEL, value_parser = logging::level)]
    log_level: String,
}

/// Runs the cluster until Ctrl-C or SIGTERM.
///
/// # Errors
/// It cannot be started, or all of its nodes have ended.
pub(crate) fn main(args: DevArgs) -> anyhow::Result<ExitCode> {
    let said = output::background()?;
    let remarks = output::background_remarks()?;
    let result = runtime::on_threads(run(args, &said, &remarks));
    said.flush();
    result
}

async fn run(args: DevArgs, said: &Background, remarks: &Background) -> anyhow::Result<ExitCode> {
    let peer_port = args.peer_port.unwrap_or_else(|| args.http_port.saturating_add(1_000));
    let mut cluster =
        LocalCluster::new(args.nodes, args.http_port, peer_port, &args.data_dir, &args.log_level)?;
    let ca = args.tls.then(|| cluster.speak_tls(&args.data_dir)).transpose()?;
    let mut ending = Ending::listen()?;
    if let Err(error) = cluster.start_all() {
        return Err(match error.downcast_ref::<Taken>() {
            Some(taken) => {
                let hint = taken.hint(cluster.client_config(&taken.addr)).await;
                error.context(hint)
            }
            None => error,
        });
    }
    for node in cluster.nodes() {
        let (pid, log) = (node.pid().unwrap_or(0), node.log_file());
        said.line(format_args!("{}  {}  pid {pid}  log {}", node.name, node.url(), log.display()));
    }
    if let Some(ca) = &ca {
        let (nodes, ca) = (cluster.urls().join(","), ca.display());
        remarks.line(format_args!("for commands: export QUORATE_NODES={nodes} QUORATE_CA={ca}"));
    }
    remarks.line("waiting until all of them are ready");
    tokio::select! {
        ready = crate::dev::wait_until_ready(&mut cluster, Duration::from_secs(60)) => ready?,
        () = ending.wait() => return stop(cluster, said).await,
    }
    said.line("ready");
    loop {
        tokio::select! {
            () = ending.wait() => break,
            (position, status) = cluster.ended() => {
                let nodes = cluster.nodes();
                let name = nodes.get(position).map_or("?", |node| node.name.as_str());
                let left = nodes.iter().filter(|node| node.pid().is_some()).count();
                match status {
                    Ok(status) => said.line(format_args!("{name} ended: {status}; {}", rest(left, nodes.len()))),
                    Err(error) => said.line(format_args!("{name} cannot be waited for: {error}")),
                }
                ensure!(left > 0, "no node is left");
            }
        }
    }
    stop(cluster, said).await
}

/// What becomes of a cluster of which so many nodes are left.
fn rest(left: usize, of: usize) -> &'static str {
    match () {
        () if left == 0 => "none is left. The same command starts them again, with what they had.",
        () if left <= of / 2 => {
            "the others are no majority, and take no writes. Restart this command to start it again."
        }
        () => "the others go on. Restart this command to start it again.",
    }
}

async fn stop(mut cluster: LocalCluster, said: &Background) -> anyhow::Result<ExitCode> {
    said.line("stopping");
    cluster.stop_all().await;
    Ok(ExitCode::SUCCESS)
}
