use std::ffi::OsStr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use anyhow::{Context, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use quorate_client::ClientConfig;
use quorate_tls::Trust;
use tokio::process::{Child, ChildStdin, Command};

use super::node_log::NodeLog;
use super::taken::Taken;
use crate::cert::{Authority, Made, Owner};
use crate::limits::{CERTIFICATE_YEAR, LOCAL_NODE_GRACE};
use crate::wrong_usage::{Lines, wrong_usage};

/// A cluster on this machine: every node is a child process of `quorate serve` with a data directory of its own.
///
/// The children end with this process, however it ends: they hold the other end of a pipe that they read.
pub(crate) struct LocalCluster {
    nodes: Vec<LocalNode>,
    peers: String,
    log_level: String,
    /// Who vouches for the nodes, where they speak TLS.
    trust: Option<Trust>,
}

/// One of its nodes.
pub(crate) struct LocalNode {
    pub(crate) name: String,
    pub(crate) http_addr: String,
    peer_addr: String,
    dir: PathBuf,
    certificate: Option<Made>,
    child: Option<Child>,
    log: Option<NodeLog>,
    /// The pipe that the child reads; apart from `child`, which would close it when it is waited for.
    lifeline: Option<ChildStdin>,
}

impl LocalNode {
    /// Its base URL.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.certificate.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.http_addr)
    }

    /// Its process id, while it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.as_ref().and_then(Child::id)
    }

    /// Where it writes what it logs.
    pub(crate) fn log_file(&self) -> PathBuf {
        self.dir.with_extension("log")
    }

    async fn end_log(&mut self) {
        if let Some(log) = self.log.take() {
            log.ended().await;
        }
    }
}

impl LocalCluster {
    /// Names and addresses of `count` nodes: HTTP on `http_port` and the ports behind it, peers on `peer_port` and the
    /// ports behind it, data in folders of `dir`. Nothing is started yet.
    ///
    /// # Errors
    /// The ports do not fit, or the directory cannot be made.
    pub(crate) fn new(
        count: u16,
        http_port: u16,
        peer_port: u16,
        dir: &Path,
        log_level: &str,
    ) -> anyhow::Result<Self> {
        for (setting, port) in [("http-port", http_port), ("peer-port", peer_port)] {
            ensure!(
                port > 0 && port.checked_add(count).is_some(),
                wrong_usage(format!("{setting}: {port} leaves no room for {count} nodes"))
            );
        }
        ensure!(
            http_port.abs_diff(peer_port) >= count,
            wrong_usage("peer-port: its ports meet those of http-port")
        );
        std::fs::create_dir_all(dir).with_context(|| format!("data-dir: cannot make {}", dir.display()))?;
        let nodes: Vec<LocalNode> = (0..count)
            .map(|n| LocalNode {
                name: format!("n{}", n + 1),
                http_addr: format!("127.0.0.1:{}", http_port + n),
                peer_addr: format!("127.0.0.1:{}", peer_port + n),
                dir: dir.join(format!("n{}", n + 1)),
                certificate: None,
                child: None,
                log: None,
                lifeline: None,
            })
            .collect();
        let peers: Vec<String> =
            nodes.iter().map(|node| format!("{}={}", node.name, node.peer_addr)).collect();
        Ok(LocalCluster { nodes, peers: peers.join(","), log_level: log_level.to_owned(), trust: None })
    }

    /// Has them speak TLS, to each other and to clients, with certificates of a CA in a folder `tls` of this directory; makes what is not
    /// there. Says where the CA's certificate is.
    ///
    /// # Errors
    /// They cannot be made.
    pub(crate) fn speak_tls(&mut self, dir: &Path) -> anyhow::Result<PathBuf> {
        let dir = dir.join("tls");
        let (authority, _) = Authority::init(&dir)?;
        for node in &mut self.nodes {
            let owner = Owner::Node { name: &node.name, hosts: &[] };
            node.certificate = Some(authority.certify(&owner, &dir, CERTIFICATE_YEAR, true)?);
        }
        let (ca, _) = authority.files();
        self.trust = Some(Trust::open(&ca)?);
        Ok(ca)
    }

    /// How to speak to one of them.
    pub(crate) fn client_config(&self, url: &str) -> ClientConfig {
        ClientConfig { trust: self.trust.clone(), ..ClientConfig::new([url]) }
    }

    /// The nodes, in the order of their names.
    pub(crate) fn nodes(&self) -> &[LocalNode] {
        &self.nodes
    }

    /// The base URL of every node.
    pub(crate) fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(LocalNode::url).collect()
    }

    /// Starts a node that does not run.
    ///
    /// # Errors
    /// The process cannot be started.
    pub(crate) fn start(&mut self, position: usize) -> anyhow::Result<()> {
        let (peers, log_level) = (self.peers.clone(), self.log_level.clone());
        let node = self.node(position)?;
        ensure!(node.child.is_none(), "{} runs already", node.name);
        // Whoever has the port would answer in the node's place.
        for (setting, addr) in [("http-port", &node.http_addr), ("peer-port", &node.peer_addr)] {
            std::net::TcpListener::bind(addr).with_context(|| Taken { setting, addr: addr.clone() })?;
        }
        let (log, to_log) = std::io::pipe()?;
        node.log = Some(
            NodeLog::keep(log, &node.log_file())
                .with_context(|| format!("cannot write {}", node.log_file().display()))?,
        );
        let program = std::env::current_exe().context("cannot find this program")?;
        let mut command = Command::new(program);
        command
            .arg("serve")
            .args(["--name", &node.name])
            .arg("--data-dir")
            .arg(&node.dir)
            .args(["--http-addr", &node.http_addr])
            .args(["--peer-addr", &node.peer_addr])
            .args(["--peers", &peers])
            .args(["--log-level", &log_level])
            .args(node.certificate.iter().flat_map(flags))
            .arg("--until-stdin-closes")
            .process_group(0) // Ctrl-C reaches this process alone, which ends them in order
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(to_log)
            .kill_on_drop(true);
        // RocksDB's threads share two heaps: with one for each, memory that is free in one is not there for the others.
        if std::env::var_os("MALLOC_ARENA_MAX").is_none() {
            command.env("MALLOC_ARENA_MAX", "2");
        }
        // Settings of the environment that would make the nodes differ from what was asked for.
        let own = [
            "CONFIG",
            "HTTP_ADVERTISE",
            "PEER_CERT",
            "PEER_KEY",
            "PEER_CA",
            "TLS_CERT",
            "TLS_KEY",
            "TLS_CLIENT_CA",
        ];
        for setting in own {
            command.env_remove(format!("QUORATE_{setting}"));
        }
        let mut child = command.spawn().with_context(|| format!("cannot start {}", node.name))?;
        node.lifeline = child.stdin.take();
        node.child = Some(child);
        Ok(())
    }

    /// Starts every node.
    ///
    /// # Errors
    /// A process cannot be started.
    pub(crate) fn start_all(&mut self) -> anyhow::Result<()> {
        (0..self.nodes.len()).try_for_each(|position| self.start(position))
    }

    /// Kills a node with SIGKILL and waits until it is gone.
    ///
    /// # Errors
    /// It does not run.
    pub(crate) async fn kill(&mut self, position: usize) -> anyhow::Result<()> {
        let node = self.node(position)?;
        let mut child = node.child.take().with_context(|| format!("{} does not run", node.name))?;
        child.kill().await.with_context(|| format!("cannot kill {}", node.name))?;
        node.end_log().await;
        Ok(())
    }

    /// Ends every node with SIGTERM, all at once, and kills what is left after [`LOCAL_NODE_GRACE`].
    pub(crate) async fn stop_all(&mut self) {
        for node in &self.nodes {
            if let Some(pid) = node.pid().and_then(|pid| i32::try_from(pid).ok()) {
                // It may have ended by itself meanwhile.
                let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
            }
        }
        let deadline = tokio::time::Instant::now() + LOCAL_NODE_GRACE;
        for node in &mut self.nodes {
            if let Some(mut child) = node.child.take() {
                match tokio::time::timeout_at(deadline, child.wait()).await {
                    Ok(_) => {}
                    Err(_) => {
                        let _ = child.kill().await;
                    }
                }
                node.end_log().await;
            }
        }
    }

    /// Waits until a node ends by itself; says which, and how.
    pub(crate) async fn ended(&mut self) -> (usize, std::io::Result<ExitStatus>) {
        let waits = self.nodes.iter_mut().enumerate().filter_map(|(position, node)| {
            let child = node.child.as_mut()?;
            Some(Box::pin(async move { (position, child.wait().await) }))
        });
        let waits: Vec<_> = waits.collect();
        if waits.is_empty() {
            std::future::pending::<()>().await;
        }
        let ((position, status), _, _) = futures::future::select_all(waits).await;
        if let Some(node) = self.nodes.get_mut(position) {
            node.child = None;
            node.end_log().await;
        }
        (position, status)
    }

    /// Whether a node was killed by somebody: that it ended says nothing of the others.
    ///
    /// # Errors
    /// The operating system does not tell.
    pub(crate) fn was_killed(&mut self, position: usize) -> anyhow::Result<bool> {
        let child = self.node(position)?.child.as_mut();
        let status = child.map(Child::try_wait).transpose()?.flatten();
        Ok(status.is_some_and(killed))
    }

    /// Says which node has ended by itself since it was started, if one has.
    ///
    /// # Errors
    /// One has: the message says which, how, and where its log is.
    pub(crate) async fn check_running(&mut self) -> anyhow::Result<()> {
        for node in &mut self.nodes {
            if let Some(child) = &mut node.child
                && let Some(status) = child.try_wait()?
                && !killed(status)
            {
                node.end_log().await;
                let log = node.log_file();
                let text = std::fs::read_to_string(&log).unwrap_or_default();
                let last: Vec<&str> = text.lines().rev().take(5).collect();
                let last: Vec<&str> = last.into_iter().rev().collect();
                let (name, log, last) = (&node.name, log.display(), last.join("\n"));
                bail!(Lines(format!("{name} ended: {status}. The end of {log}:\n{last}")));
            }
        }
        Ok(())
    }

    fn node(&mut self, position: usize) -> anyhow::Result<&mut LocalNode> {
        self.nodes.get_mut(position).with_context(|| format!("there is no node {position}"))
    }
}

/// What a node is told of its certificate: the same for peers and for clients.
fn flags(made: &Made) -> [&OsStr; 10] {
    let (certificate, key) = (made.certificate.as_os_str(), made.key.as_os_str());
    let flag = OsStr::new;
    [
        flag("--peer-cert"),
        certificate,
        flag("--peer-key"),
        key,
        flag("--peer-ca"),
        made.ca.as_os_str(),
        flag("--tls-cert"),
        certificate,
        flag("--tls-key"),
        key,
    ]
}

fn killed(status: ExitStatus) -> bool {
    status.signal() == Some(Signal::SIGKILL as i32)
}
