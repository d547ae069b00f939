mod backend;
mod config;
mod memory;
mod open_files;
#[cfg(feature = "planted-bugs")]
mod planted;

use std::process::ExitCode;

use anyhow::Context;
use quorate_gateway::{ConnectionLimits, Gateway, GatewayConfig};
use quorate_node::{Node, NodeConfig, StartError};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::ending::Ending;
use crate::{logging, runtime};
use backend::NodeBackend;
pub(crate) use config::{Config, ServeArgs};
use open_files::OpenFiles;

/// Runs one node until SIGTERM or Ctrl-C.
///
/// # Errors
/// A setting is wrong, an address is taken, or the data directory cannot be used.
pub(crate) fn main(args: ServeArgs) -> anyhow::Result<ExitCode> {
    let until_stdin_closes = args.until_stdin_closes;
    let config = args.resolve()?;
    logging::start(config.log_format, &config.log_level)?;
    runtime::on_threads(run(config, until_stdin_closes))
}

async fn run(config: Config, until_stdin_closes: bool) -> anyhow::Result<ExitCode> {
    let mut ending = Ending::listen()?;
    let mut ended = std::pin::pin!(async {
        tokio::select! {
            () = ending.wait() => {}
            () = stdin_closes(), if until_stdin_closes => {}
        }
    });
    let open_files = OpenFiles::allow()?;
    let listener = TcpListener::bind(config.http_addr)
        .await
        .with_context(|| format!("http-addr: cannot listen on {}", config.http_addr))?;
    let mut node = NodeConfig::new(
        &config.name,
        &config.data_dir,
        config.peer_addr.to_string(),
        &config.http_advertise,
        config.peers.clone(),
    );
    node.snapshot_every = config.snapshot_every.unwrap_or(node.snapshot_every);
    node.open_files = Some(open_files.stores());
    node.logs_kept = config.logs_kept.unwrap_or(node.logs_kept);
    // On a full disk it waits for room: it can be ended meanwhile, too.
    let (handle, running) = tokio::select! {
        started = Node::start(node) => started.map_err(name_the_setting)?,
        () = &mut ended => return Ok(ExitCode::SUCCESS),
    };

    let closing = CancellationToken::new();
    let http = GatewayConfig {
        node: config.name.clone(),
        payload_bytes: config.max_payload,
        write_wait: config.write_timeout,
        read_wait: config.write_timeout,
        shutdown: closing.clone(),
        ..GatewayConfig::default()
    };
    let mut limits = ConnectionLimits::default();
    limits.reserved = limits.reserved.min(open_files.connections() / 8);
    limits.connections = limits.connections.min(open_files.connections() - limits.reserved);
    let memory_mib = memory::bound(&http, &limits) >> 20;
    let backend = NodeBackend(handle);
    #[cfg(feature = "planted-bugs")]
    let backend = planted::Planted(backend);
    let gateway = Gateway::new(backend, http);
    tracing::info!(
        http = %config.http_addr, peer = %config.peer_addr, open_files = open_files.all(), memory_mib, "serving"
    );
    let serving = tokio::spawn(gateway.serve(listener, limits));
    ended.await;
    let clients = async {
        tracing::info!("ending: no new connections, requests in flight are finished");
        closing.cancel();
        serving.await
    };
    running.shutdown(clients).await.context("the HTTP server panicked")?;
    Ok(ExitCode::SUCCESS)
}

fn name_the_setting(error: StartError) -> anyhow::Error {
    let setting = match &error {
        StartError::Listen { .. } => "peer-addr",
        StartError::Store(_) | StartError::LostAlone(_) => "data-dir",
        StartError::Config { .. } | StartError::Raft(_) => return error.into(),
    };
    anyhow::Error::new(error).context(setting)
}

/// Reads standard input to its end, on a thread of its own, which the process does not wait for.
async fn stdin_closes() {
    let (closed, wait) = tokio::sync::oneshot::channel::<()>();
    std::thread::spawn(move || {
        // An error ends it like an end does.
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        drop(closed);
    });
    let _ = wait.await;
}
