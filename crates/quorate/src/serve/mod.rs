mod backend;
mod closed;
mod config;
mod core_dump;
mod exporter;
mod exposed;
mod memory;
mod open_files;
#[cfg(feature = "planted-bugs")]
mod planted;
mod rest_tls;
mod settings;
mod settings_file;
mod tokens;
mod traces;

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use quorate_gateway::{ConnectionLimits, Gateway};
use quorate_node::{Lost, Node, StartError, StoreError};
use tokio::net::{TcpListener, TcpSocket};

use crate::ending::Ending;
use crate::limits::BACKLOG;
use crate::wrong_usage::WrongUsage;
use crate::{logging, peer_tls, private, runtime};
use backend::NodeBackend;
use config::Config;
use exporter::Exporter;
use open_files::OpenFiles;
use rest_tls::RestTls;
pub(crate) use settings::ServeArgs;
use tokens::TokensFile;
use traces::Traces;

/// Runs one node until SIGTERM or Ctrl-C.
///
/// # Errors
/// A setting is wrong, an address is taken, or the data directory cannot be used.
pub(crate) fn main(args: ServeArgs) -> anyhow::Result<ExitCode> {
    let settings = args.settings().context(WrongUsage)?;
    let until_stdin_closes = settings.until_stdin_closes;
    let config = settings.check().context(WrongUsage)?;
    config.open.allow(config.insecure, &config.node.name).context(WrongUsage)?;
    private::keep_files_private();
    runtime::on_threads(async move {
        let traces = config.collector.as_ref().map(|to| Traces::start(to, &config.node.name)).transpose()?;
        logging::start(config.log_format, &config.log_level, traces.as_ref().map(Traces::layer))?;
        let ended = Box::pin(run(config, until_stdin_closes)).await;
        if let Some(traces) = traces {
            traces.end();
        }
        ended
    })
}

async fn run(config: Config, until_stdin_closes: bool) -> anyhow::Result<ExitCode> {
    let Config { mut node, gateway: http, http_addr, metrics_addr, tls, tokens, open, remark, .. } = config;
    if let Some(what) = open.words() {
        logging::warn(&format!("INSECURE (--insecure): {what}"));
    }
    if let Some(remark) = remark {
        tracing::warn!("{remark}");
    }
    let keys = node.tls.iter().map(|tls| tls.identity.key_file()).chain(tls.iter().map(RestTls::key_file));
    exposed::warn_of_files(keys, tokens.as_deref());
    exposed::warn_of_advertised(&node.http_addr);
    // Before anything that counts is made: what is made earlier counts nothing.
    let exporter = Exporter::install(tls.clone())?;
    let tokens = tokens.map(|file| TokensFile::open(file, http.access.clone())).transpose()?;
    let mut ending = Ending::listen()?;
    if node.tls.is_some() || tls.is_some() {
        let reloads = ending.reloads();
        node.tls.iter().for_each(|tls| peer_tls::follow(tls, &reloads));
        tls.iter().for_each(|tls| tls.follow(&reloads));
    }
    if let Some(tls) = &tls {
        tls.tell_other_names(&node.http_addr);
    }
    let mut ended = std::pin::pin!(async {
        tokio::select! {
            () = ending.wait() => {}
            () = stdin_closes(), if until_stdin_closes => {}
        }
    });
    core_dump::forbid();
    let open_files = OpenFiles::allow()?;
    let socket = bind("http-addr", http_addr)?;
    let watchers = match metrics_addr {
        Some(addr) => Some((bind("metrics-addr", addr)?, addr)),
        None => None,
    };
    tokio::spawn(exporter.clone().keep_up());
    if let Some(tokens) = tokens {
        tokio::spawn(tokens.keep_up());
    }
    node.open_files = Some(open_files.stores());
    node.peer_connections = node.peer_connections.min(open_files.peers());
    let peer_addr = node.peer_listen.clone();
    // On a full disk it waits for room: it can be ended meanwhile, too.
    let (handle, running) = tokio::select! {
        started = Node::start(node) => started.map_err(name_the_setting)?,
        () = &mut ended => return Ok(ExitCode::SUCCESS),
    };

    let (closing, is_tls) = (http.shutdown.clone(), http.tls.is_some());
    let mut limits = ConnectionLimits::default();
    limits.reserved = limits.reserved.min(open_files.connections() / 8);
    limits.connections = limits.connections.min(open_files.connections() - limits.reserved);
    let memory_mib = memory::bound(&http, &limits) >> 20;
    let backend = NodeBackend { node: handle, exporter };
    #[cfg(feature = "planted-bugs")]
    let backend = planted::Planted(backend);
    let gateway = Gateway::new(backend, http);
    let listener = listen("http-addr", http_addr, socket)?;
    let watchers = watchers.map(|(socket, addr)| listen("metrics-addr", addr, socket)).transpose()?;
    tracing::info!(
        http = %http_addr, tls = is_tls, peer = %peer_addr, open_files = open_files.all(), memory_mib, "serving"
    );
    let watched = watchers.map(|listener| tokio::spawn(gateway.clone().serve_watchers(listener)));
    let serving = tokio::spawn(gateway.serve(listener, limits));
    ended.await;
    let clients = async {
        tracing::info!("ending: no new connections, requests in flight are finished");
        closing.cancel();
        if let Some(watched) = watched {
            watched.await?;
        }
        serving.await
    };
    running.shutdown(clients).await.context("the HTTP server panicked")?;
    Ok(ExitCode::SUCCESS)
}

/// Takes an address. Nobody can connect before it listens: it does once it can answer, so that clients turn to another node at once.
fn bind(setting: &str, addr: SocketAddr) -> anyhow::Result<TcpSocket> {
    let bound = || {
        let socket = if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // As every listener: connections of the last one may linger.
        socket.set_reuseaddr(true)?;
        socket.bind(addr)?;
        Ok(socket)
    };
    bound().map_err(|error| cannot_listen(setting, addr, &error))
}

fn listen(setting: &str, addr: SocketAddr, socket: TcpSocket) -> anyhow::Result<TcpListener> {
    socket.listen(BACKLOG).map_err(|error| cannot_listen(setting, addr, &error))
}

fn cannot_listen(setting: &str, addr: SocketAddr, error: &io::Error) -> anyhow::Error {
    let next = in_use(error).map_or_else(String::new, |next| format!(". {next}"));
    anyhow!("{setting}: cannot listen on {addr}: {error}{next}")
}

/// In one line: what is wrong, with which setting, and what to do.
fn name_the_setting(error: StartError) -> anyhow::Error {
    let setting = match &error {
        StartError::Listen { .. } => "peer-addr",
        StartError::Store(_)
        | StartError::LostAlone { .. }
        | StartError::Copy { .. }
        | StartError::GivenUp { .. } => "data-dir",
        StartError::Config { .. } | StartError::Raft(_) => return error.into(),
    };
    let said = match what_to_do(&error) {
        Some(next) => anyhow!("{error}. {next}"),
        None => error.into(),
    };
    said.context(setting)
}

/// Where the error does not say it itself.
fn what_to_do(error: &StartError) -> Option<&'static str> {
    match error {
        StartError::Listen { source, .. } => in_use(source),
        StartError::LostAlone { lost: Lost::Vote, .. } => Some(
            "Have it go on from all that it has (`quorate recover --force-single`, with this node's --peers)",
        ),
        StartError::LostAlone { lost: Lost::Entries, .. } => Some(
            "Restore a backup (`quorate restore`), or let it go on from what is left (`quorate recover --force-single`, with this node's --peers)",
        ),
        StartError::Store(StoreError::Damaged { .. }) => Some(
            "Move the directory away and start on an empty one, which the other nodes fill; where there are none, restore a backup",
        ),
        StartError::Store(StoreError::Locked(_)) => Some("End that one first, or choose another directory"),
        StartError::Store(StoreError::Io { source, .. }) if source.kind() == ErrorKind::PermissionDenied => {
            Some("The directory and all in it must belong to the user that this node runs as")
        }
        StartError::Store(_)
        | StartError::Copy { .. }
        | StartError::GivenUp { .. }
        | StartError::Config { .. }
        | StartError::Raft(_) => None,
    }
}

fn in_use(error: &io::Error) -> Option<&'static str> {
    (error.kind() == ErrorKind::AddrInUse)
        .then_some("Another process listens there: end that one, or choose another port")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_backup_is_restored_for_a_vote() {
        let next = |lost| {
            let (marked, found) = ("a vote".to_owned(), "none".to_owned());
            let says = StoreError::LostEntries { lost, marked, found };
            name_the_setting(StartError::LostAlone { lost, says })
                .chain()
                .map(ToString::to_string)
                .collect::<String>()
        };
        assert!(next(Lost::Entries).contains("Restore a backup"), "{}", next(Lost::Entries));
        let vote = next(Lost::Vote);
        assert!(vote.contains("recover --force-single") && !vote.contains("ackup"), "{vote}");
        assert!(!vote.contains("acknowledged"), "{vote}");
    }
}
