use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, ChildStdin, Command};

use super::disk::Disk;
use super::ports::free_ports;
use super::secrets::{Place, Secrets};
use super::wall_clock::{Shim, WallClock};
use super::{Host, LogPipe, Node};
use crate::fault::{Action, Fault, Victim};
use crate::limits;
use crate::observe::Stuck;

/// `quorate serve` processes on this machine.
///
/// They end with this process, however it ends: they hold the other end of a pipe that they read.
pub(crate) struct Processes {
    /// What a node runs when it has been stopped in order, as for an upgrade. One that was killed goes on with what it ran.
    binary: PathBuf,
    planted_bug: Option<String>,
    /// The members, and behind them [`SPARES`].
    nodes: Vec<Node>,
    local: Vec<Local>,
    secrets: Secrets,
    snapshots: Snapshots,
    /// Why nodes have no disks of their own here.
    no_disks: Option<String>,
    /// Why their clocks cannot be set.
    no_clocks: Option<String>,
}

/// Nodes beside the members.
const SPARES: usize = 2;

/// When nodes take snapshots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Snapshots {
    /// By entries, few, so that a node which was away needs one.
    Often,
    /// As a node does that nobody has told.
    AsUsual,
}

/// What a node is on this machine.
struct Local {
    dir: PathBuf,
    log: PathBuf,
    http: String,
    peer: String,
    disk: Option<Disk>,
    clock: Option<WallClock>,
    running: Option<Running>,
    /// What it runs: it may be older than the program under test until it is stopped in order.
    program: PathBuf,
}

impl Local {
    fn raft_log(&self) -> PathBuf {
        self.dir.join("raft")
    }

    /// Why the node ended the process, if it did, and where more is told.
    fn last_words(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let last = log.lines().rev().find_map(|line| line.split_once("the process ends reason="));
        let reason = last.map_or_else(|| "it gives no reason".to_owned(), |(_, reason)| reason.to_owned());
        format!("{reason}; see {}", self.log.display())
    }

    /// On the same disk.
    fn kept_log(&self) -> PathBuf {
        self.dir.with_file_name("kept-log")
    }
}

struct Running {
    child: Child,
    log: LogPipe,
    /// The pipe that the child reads.
    _lifeline: Option<ChildStdin>,
}

impl Processes {
    /// Finds addresses and makes data directories in `dir`, those of the `members` on disks of their own if power is to be cut. Starts
    /// nothing. The nodes begin as `before`, where it is given.
    ///
    /// # Errors
    /// The binary or the directory is not there, or no ports are free.
    pub(crate) async fn new(
        binary: &Path,
        before: Option<&Path>,
        planted_bug: Option<&str>,
        dir: &Path,
        members: usize,
        disk_bytes: Option<u64>,
        snapshots: Snapshots,
    ) -> anyhow::Result<Processes> {
        for program in before.into_iter().chain([binary]) {
            ensure!(
                program.is_file(),
                "{} is not there: `cargo build --bin quorate` makes it",
                program.display()
            );
        }
        let count = members + SPARES;
        let ports = free_ports(2 * count)?;
        let (http, peer) = ports.split_at(count);
        let mut no_disks = disk_bytes.is_none().then(|| "they were not asked for".to_owned());
        let (shim, no_clocks) = match Shim::make(dir).await {
            Ok(shim) => (Some(shim), None),
            Err(error) => (None, Some(format!("{error:#}"))),
        };
        let place = |(number, (http, peer))| Place {
            name: format!("n{number}"),
            http: format!("127.0.0.1:{http}"),
            peer: format!("127.0.0.1:{peer}"),
        };
        let places = (1..).zip(http.iter().zip(peer)).map(place).collect();
        let secrets = Secrets::make(binary, dir, places, members).await?;
        let mut nodes = Vec::new();
        let mut local = Vec::new();
        for Place { name, http, peer } in secrets.places() {
            let root = dir.join(name);
            if tokio::fs::try_exists(&root).await? {
                tokio::fs::remove_dir_all(&root)
                    .await
                    .with_context(|| format!("cannot remove {}", root.display()))?;
            }
            tokio::fs::create_dir_all(&root).await?;
            let disk = match no_disks {
                None if nodes.len() >= members => None,
                Some(_) => None,
                None => match Disk::make(
                    &dir.join(format!("{name}.ext4")),
                    &root,
                    disk_bytes.unwrap_or(limits::DISK_BYTES),
                )
                .await
                {
                    Ok(disk) => Some(disk),
                    Err(error) => {
                        no_disks = Some(format!("{error:#}"));
                        None
                    }
                },
            };
            nodes.push(Node {
                url: format!("https://{http}"),
                name: name.clone(),
                keys: secrets.keys().clone(),
            });
            let log = dir.join(format!("{name}.log"));
            // Of this run alone: what a node says there is looked at.
            tokio::fs::write(&log, "").await?;
            let clock = match &shim {
                Some(shim) => Some(WallClock::new(shim.clone(), dir.join(format!("{name}.clock")))?),
                None => None,
            };
            let (http, peer) = (http.clone(), peer.clone());
            let program = before.unwrap_or(binary).to_owned();
            local.push(Local {
                dir: root.join("data"),
                log,
                http,
                peer,
                disk,
                clock,
                running: None,
                program,
            });
        }
        Ok(Processes {
            binary: binary.to_owned(),
            planted_bug: planted_bug.map(ToOwned::to_owned),
            nodes,
            local,
            secrets,
            snapshots,
            no_disks,
            no_clocks,
        })
    }

    /// The file with the token of runners.
    pub(crate) fn runner_token(&self) -> PathBuf {
        self.secrets.runner_token()
    }

    /// Who is where: a spare looks for the members, and nobody for a spare.
    fn peers(&self, node: usize) -> String {
        let members = self.nodes.len() - SPARES;
        let known = (0..members).chain((node >= members).then_some(node));
        let known: Vec<String> =
            known.map(|node| format!("{}={}", self.nodes[node].name, self.local[node].peer)).collect();
        known.join(",")
    }

    fn spawn(&mut self, node: usize) -> anyhow::Result<()> {
        let peers = self.peers(node);
        let name = &self.nodes[node].name;
        let local = &mut self.local[node];
        ensure!(local.running.is_none(), "{name} runs already");
        let mut child = Command::new(&local.program)
            .arg("serve")
            .args(["--name", name])
            .arg("--data-dir")
            .arg(&local.dir)
            .args(["--http-addr", &local.http])
            .args(["--peer-addr", &local.peer])
            .args(["--peers", &peers])
            .args(self.secrets.arguments(node))
            .args(["--log-level", "info,openraft=warn"])
            .args(match self.snapshots {
                Snapshots::Often => vec![
                    format!("--snapshot-every={}", limits::SNAPSHOT_EVERY),
                    format!("--logs-kept={}", limits::LOGS_KEPT),
                ],
                Snapshots::AsUsual => Vec::new(),
            })
            .arg("--until-stdin-closes")
            .envs(local.clock.iter().flat_map(WallClock::environment))
            .env("QUORATE_PLANTED_BUG", self.planted_bug.as_deref().unwrap_or_default())
            .process_group(0) // Ctrl-C reaches the harness alone
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", local.program.display()))?;
        let log = LogPipe::new(&mut child, &local.log)?;
        local.running = Some(Running { _lifeline: child.stdin.take(), log, child });
        Ok(())
    }

    fn pid(&self, node: usize) -> anyhow::Result<Pid> {
        let running = self.local[node].running.as_ref();
        let pid = running.and_then(|running| running.child.id());
        let pid = pid.with_context(|| format!("{} does not run", self.nodes[node].name))?;
        Ok(Pid::from_raw(i32::try_from(pid)?))
    }

    fn signal(&self, nodes: &[usize], signal: Signal) -> anyhow::Result<()> {
        for node in nodes {
            kill(self.pid(*node)?, signal)
                .with_context(|| format!("{signal} to {}", self.nodes[*node].name))?;
        }
        Ok(())
    }

    /// Waits until a node that was sent SIGKILL or SIGTERM is gone, and looks whether that is what ended it.
    async fn gone(&mut self, node: usize, signal: Signal) -> anyhow::Result<()> {
        let name = self.nodes[node].name.clone();
        let mut running = self.local[node].running.take().with_context(|| format!("{name} does not run"))?;
        let ended = tokio::time::timeout(limits::STOP, running.child.wait()).await;
        let status = ended.with_context(|| format!("{name} does not end after {signal}"))??;
        running.log.drain().await;
        let as_meant = match signal {
            Signal::SIGKILL => status.signal() == Some(Signal::SIGKILL as i32),
            _ => status.success(),
        };
        if !as_meant {
            let words = self.local[node].last_words();
            return Err(Stuck(format!("{name} was sent {signal} and ended with {status}: {words}")).into());
        }
        Ok(())
    }

    /// The kernel's word for what a process does: `T` when it is stopped.
    async fn state(&self, node: usize) -> anyhow::Result<char> {
        let stat = tokio::fs::read_to_string(format!("/proc/{}/stat", self.pid(node)?)).await?;
        // The command's name stands in parentheses before it, and may contain anything.
        let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
        state.context("/proc has another form")
    }
}

impl Host for Processes {
    fn nodes(&self) -> &[Node] {
        &self.nodes[..self.nodes.len() - SPARES]
    }

    fn spares(&self) -> &[Node] {
        &self.nodes[self.nodes.len() - SPARES..]
    }

    fn faults(&self) -> Vec<Fault> {
        use Action::{
            ClockAhead, ClockBehind, ClockRight, FillDisk, Grow, Kill, LoseLog, LoseTail, Outage, Pause,
            PowerCut, Rejoin, Replace, Restart, RevokeToken, Roll, RotateCerts, Wipe,
        };
        use Victim::{All, Follower, Leader, Majority, Runner};
        let mut faults: Vec<Fault> = [
            (Kill, Leader),
            (Kill, Follower),
            (Kill, Majority),
            (Kill, All),
            (Pause, Leader),
            (Pause, Follower),
            (Restart, Leader),
            (Restart, Follower),
            (Restart, All),
            (Roll, All),
            (Wipe, Leader),
            (Wipe, Follower),
            (Rejoin, Leader),
            (Rejoin, Follower),
            (Replace, Leader),
            (Replace, Follower),
            (Grow, All),
            (LoseTail, Follower),
            (Outage, Follower),
            (LoseLog, Leader),
            (LoseLog, Follower),
            (LoseLog, Runner),
            (RotateCerts, All),
            (RevokeToken, All),
        ]
        .map(|(action, victim)| Fault::new(action, victim))
        .into();
        if self.snapshots == Snapshots::AsUsual {
            // What needs a node to fall behind the log that the others keep.
            faults.retain(|fault| fault.action != Outage);
        }
        if self.no_disks.is_none() {
            faults.extend([Leader, Follower, All].map(|victim| Fault::new(PowerCut, victim)));
            faults.extend([Leader, Follower, All].map(|victim| Fault::new(FillDisk, victim)));
        }
        if self.no_clocks.is_none() {
            let clocks = [(ClockAhead, Follower), (ClockAhead, All), (ClockBehind, All), (ClockRight, All)];
            faults.extend(clocks.map(|(action, victim)| Fault::new(action, victim)));
        }
        faults
    }

    fn skipped(&self) -> Vec<String> {
        let disks = self.no_disks.iter().map(|why| format!("SKIPPED power cuts and full disks: {why}"));
        let clocks = self.no_clocks.iter().map(|why| format!("SKIPPED wrong clocks: {why}"));
        disks.chain(clocks).collect()
    }

    async fn start(&mut self, nodes: &[usize]) -> anyhow::Result<()> {
        for node in nodes {
            if let Some(disk) = &mut self.local[*node].disk {
                disk.power_up().await?;
            }
            self.spawn(*node)?;
        }
        Ok(())
    }

    async fn kill(&mut self, nodes: &[usize]) -> anyhow::Result<()> {
        self.signal(nodes, Signal::SIGKILL)?;
        for node in nodes {
            self.gone(*node, Signal::SIGKILL).await?;
        }
        Ok(())
    }

    async fn crash(&mut self, _: &[usize]) -> anyhow::Result<()> {
        bail!("nothing watches over the processes")
    }

    async fn started_again(&mut self, _: &[usize]) -> anyhow::Result<()> {
        bail!("nothing watches over the processes")
    }

    async fn stop(&mut self, nodes: &[usize]) -> anyhow::Result<()> {
        self.signal(nodes, Signal::SIGTERM)?;
        for node in nodes {
            self.gone(*node, Signal::SIGTERM).await?;
            self.local[*node].program.clone_from(&self.binary);
        }
        Ok(())
    }

    async fn pause(&mut self, nodes: &[usize]) -> anyhow::Result<()> {
        self.signal(nodes, Signal::SIGSTOP)?;
        for node in nodes {
            // The signal is under way for a moment.
            let mut looks = 0;
            while self.state(*node).await? != 'T' {
                looks += 1;
                ensure!(looks < 100, "{} does not stop", self.nodes[*node].name);
                tokio::time::sleep(limits::POLL / 10).await;
            }
        }
        Ok(())
    }

    async fn resume(&mut self, nodes: &[usize]) -> anyhow::Result<()> {
        for node in nodes {
            ensure!(
                self.state(*node).await? == 'T',
                "{} was not stopped all the time",
                self.nodes[*node].name
            );
        }
        self.signal(nodes, Signal::SIGCONT)
    }

    async fn wipe(&mut self, node: usize) -> anyhow::Result<()> {
        let local = &self.local[node];
        ensure!(local.running.is_none(), "{} runs", self.nodes[node].name);
        tokio::fs::remove_dir_all(&local.dir).await.context("cannot wipe the data directory")
    }

    async fn keep_log(&mut self, node: usize) -> anyhow::Result<()> {
        let local = &self.local[node];
        ensure!(local.running.is_none(), "{} runs", self.nodes[node].name);
        let (log, kept) = (local.raft_log(), local.kept_log());
        if tokio::fs::try_exists(&kept).await? {
            tokio::fs::remove_dir_all(&kept).await?;
        }
        tokio::fs::create_dir(&kept).await?;
        let mut files = tokio::fs::read_dir(&log).await?;
        while let Some(file) = files.next_entry().await? {
            tokio::fs::copy(file.path(), kept.join(file.file_name())).await.context("cannot copy the log")?;
        }
        Ok(())
    }

    async fn lose_tail(&mut self, node: usize) -> anyhow::Result<()> {
        let local = &self.local[node];
        ensure!(local.running.is_none(), "{} runs", self.nodes[node].name);
        tokio::fs::remove_dir_all(local.raft_log()).await?;
        tokio::fs::rename(local.kept_log(), local.raft_log()).await.context("cannot replace the log")
    }

    async fn cut_power(&mut self, nodes: &[usize]) -> anyhow::Result<()> {
        // A machine without power runs nothing. A process that went on for a moment could be told by a file system that is
        // being shut down that a sync had succeeded, and promise what is lost.
        self.pause(nodes).await?;
        for node in nodes {
            let disk = self.local[*node].disk.as_mut().context("this node has no disk of its own")?;
            disk.cut().await?;
        }
        self.kill(nodes).await
    }

    fn fill_disk(&mut self, node: usize) -> anyhow::Result<()> {
        self.local[node].disk.as_ref().context("this node has no disk of its own")?.fill()
    }

    fn make_room(&mut self, node: usize) -> anyhow::Result<()> {
        self.local[node].disk.as_ref().context("this node has no disk of its own")?.make_room()
    }

    async fn lose_log(&mut self, node: usize) -> anyhow::Result<()> {
        let running = self.local[node].running.as_mut();
        running.with_context(|| format!("{} does not run", self.nodes[node].name))?.log.lose().await;
        Ok(())
    }

    async fn disconnect(&mut self, _: &[usize]) -> anyhow::Result<()> {
        bail!("processes share one network")
    }

    async fn reconnect(&mut self, _: &[usize]) -> anyhow::Result<()> {
        bail!("processes share one network")
    }

    fn set_clocks(&mut self, nodes: &[usize], ahead: i64) -> anyhow::Result<()> {
        for node in nodes {
            let clock = self.local[*node].clock.as_ref().context("this node has no clock of its own")?;
            clock.set(ahead)?;
            ensure!(clock.is_of(self.pid(*node)?)?, "{} looks at another clock", self.nodes[*node].name);
        }
        Ok(())
    }

    async fn recreate(&mut self, _: usize) -> anyhow::Result<()> {
        bail!("a process has no container")
    }

    async fn rotate_certificates(&mut self) -> anyhow::Result<()> {
        self.secrets.rotate().await
    }

    async fn add_guest(&mut self) -> anyhow::Result<String> {
        self.secrets.add_guest().await
    }

    async fn remove_guest(&mut self) -> anyhow::Result<()> {
        self.secrets.remove_guest().await
    }

    async fn snapshots_received(&self, node: usize) -> anyhow::Result<usize> {
        let log = tokio::fs::read_to_string(&self.local[node].log).await?;
        Ok(log.matches("received a snapshot").count())
    }

    async fn ended(&mut self) -> anyhow::Result<Option<String>> {
        for (node, local) in self.nodes.iter().zip(&mut self.local) {
            let Some(running) = &mut local.running else { continue };
            if let Some(status) = running.child.try_wait()? {
                running.log.drain().await;
                return Ok(Some(format!(
                    "{} ended by itself with {status}: {}",
                    node.name,
                    local.last_words()
                )));
            }
        }
        Ok(None)
    }

    async fn shut_down(&mut self) -> anyhow::Result<()> {
        for local in &mut self.local {
            if let Some(mut running) = local.running.take() {
                running.child.kill().await?;
            }
            if let Some(disk) = local.disk.take() {
                disk.remove().await?;
            }
        }
        Ok(())
    }
}
