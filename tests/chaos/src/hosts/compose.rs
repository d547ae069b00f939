use std::fs::File;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::{Instant, sleep};

use super::order::run;
use super::ports::free_ports;
use super::project::Project;
use super::volumes::Volumes;
use super::{Host, Node};
use crate::fault::{Action, Fault, Victim};
use crate::limits;
use crate::observe::Stuck;

const NODES: [&str; 3] = ["n1", "n2", "n3"];

/// The nodes of `deploy/compose.yaml`, without its runners: what is not in the history must not happen.
pub(crate) struct Compose {
    project: Project,
    _alone: File,
    nodes: Vec<Node>,
    secrets: Volumes,
    /// The nodes' containers: to ask for them takes longer than a fault should.
    containers: [String; NODES.len()],
    /// How often the engine was made to start each of them again by itself, since somebody else did.
    restarts: [u64; NODES.len()],
    is_down: bool,
}

impl Compose {
    /// Looks whether there is a Docker engine and the image, and removes what an earlier run left.
    ///
    /// # Errors
    /// There is none, or another run has this project.
    pub(crate) async fn new(file: &Path, image: &str, project: &str) -> anyhow::Result<Compose> {
        let alone = alone(project)?;
        docker(&["version"]).await.context("no Docker engine answers")?;
        let ports = free_ports(NODES.len())?;
        let settings = (1..).zip(&ports).map(|(node, port)| (format!("HTTP_PORT_N{node}"), port.to_string()));
        let settings = settings.chain([
            ("HTTP_BIND".to_owned(), "127.0.0.1".to_owned()),
            ("QUORATE_IMAGE".to_owned(), image.to_owned()),
        ]);
        let project = Project::new(file, project, settings.collect()).await?;
        project.compose(&["down", "--volumes", "--remove-orphans"]).await?;
        let secrets = Volumes::make(project.clone()).await?;
        let nodes = NODES.iter().zip(&ports).map(|(name, port)| Node {
            name: name.to_string(),
            url: format!("https://127.0.0.1:{port}"),
            keys: secrets.keys().clone(),
        });
        Ok(Compose {
            nodes: nodes.collect(),
            project,
            _alone: alone,
            secrets,
            containers: Default::default(),
            restarts: Default::default(),
            is_down: false,
        })
    }

    async fn container(&self, node: usize) -> anyhow::Result<String> {
        // v1 lists a stopped container, v2 only with `--all`.
        let all: &[&str] = if self.project.is_v1() { &["ps", "-q"] } else { &["ps", "-q", "--all"] };
        let arguments: Vec<&str> = all.iter().copied().chain([NODES[node]]).collect();
        let id = self.project.compose(&arguments).await?.trim().to_owned();
        ensure!(!id.is_empty(), "{} has no container", NODES[node]);
        Ok(id)
    }

    /// Notes the containers, which compose may have made anew.
    async fn note_containers(&mut self) -> anyhow::Result<()> {
        for node in 0..NODES.len() {
            self.containers[node] = self.container(node).await?;
        }
        Ok(())
    }

    fn containers(&self, nodes: &[usize]) -> Vec<String> {
        nodes.iter().map(|node| self.containers[*node].clone()).collect()
    }

    async fn all(&self, command: &[&str], nodes: &[usize]) -> anyhow::Result<Vec<String>> {
        let containers = self.containers(nodes);
        let arguments: Vec<&str> =
            command.iter().copied().chain(containers.iter().map(String::as_str)).collect();
        docker(&arguments).await?;
        Ok(containers)
    }

    async fn expect(&self, containers: &[String], field: &str, value: &str) -> anyhow::Result<()> {
        for container in containers {
            let found = inspect(container, &format!("{{{{.State.{field}}}}}")).await?;
            ensure!(found == value, "{field} of {container} is {found}, not {value}");
        }
        Ok(())
    }

    async fn is_connected(&self, container: &str) -> anyhow::Result<bool> {
        let networks = inspect(container, "{{json .NetworkSettings.Networks}}").await?;
        Ok(networks.contains(&format!("\"{}_peers\"", self.project.name())))
    }

    /// How often the engine has started a node's container again by itself, since somebody else did.
    async fn restart_count(&self, node: usize) -> anyhow::Result<u64> {
        Ok(inspect(&self.containers[node], "{{.RestartCount}}").await?.parse()?)
    }
}

impl Host for Compose {
    fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    fn faults(&self) -> Vec<Fault> {
        use Action::{Crash, Disconnect, Kill, Pause, Recreate, Restart, RevokeToken, RotateCerts, Wipe};
        use Victim::{All, Follower, Leader, Majority};
        let crashes: &[_] = if may_crash() { &[(Crash, Leader), (Crash, Follower)] } else { &[] };
        let others = [
            (Kill, Leader),
            (Kill, Follower),
            (Kill, Majority),
            (Kill, All),
            (Pause, Leader),
            (Pause, Follower),
            (Disconnect, Leader),
            (Disconnect, Follower),
            (Restart, All),
            (Wipe, Follower),
            (Recreate, All),
            (RotateCerts, All),
            (RevokeToken, All),
        ];
        let all = others.iter().chain(crashes);
        all.map(|&(action, victim)| Fault::new(action, victim)).collect()
    }

    fn skipped(&self) -> Vec<String> {
        let crashes =
            (!may_crash()).then(|| "SKIPPED crashes: only root may kill what runs in a container".to_owned());
        crashes.into_iter().collect()
    }

    async fn start(&mut self, nodes: &[usize]) -> anyhow::Result<()> {
        let names = nodes.iter().map(|node| NODES[*node]);
        let arguments: Vec<&str> =
            ["up", "-d", "--no-deps", "--no-recreate"].into_iter().chain(names).collect();
        self.project.compose(&arguments).await?;
        for node in nodes {
            self.restarts[*node] = 0;
        }
        self.note_containers().await
    }

    async fn kill(&mut self, nodes: &[usize]) -> anyhow::Result<()> {
        let containers = self.all(&["kill", "--signal", "KILL"], nodes).await?;
        self.expect(&containers, "Running", "false").await?;
        self.expect(&containers, "ExitCode", "137").await
    }

    async fn crash(&mut self, nodes: &[usize]) -> anyhow::Result<()> {
        let mut pids = Vec::new();
        for node in nodes {
            let pid: i32 = inspect(&self.containers[*node], "{{.State.Pid}}").await?.parse()?;
            let program = std::fs::read_to_string(format!("/proc/{pid}/cmdline"));
            let program = program.context("the engine runs on another machine")?;
            ensure!(pid > 1 && program.starts_with("quorate\0"), "process {pid} is not a node");
            pids.push(Pid::from_raw(pid));
        }
        for (node, pid) in nodes.iter().zip(pids) {
            self.restarts[*node] += 1;
            kill(pid, Signal::SIGKILL)?;
        }
        Ok(())
    }

    async fn started_again(&mut self, nodes: &[usize]) -> anyhow::Result<()> {
        let deadline = Instant::now() + limits::START_AGAIN;
        for node in nodes {
            while self.restart_count(*node).await? < self.restarts[*node] {
                if Instant::now() >= deadline {
                    return Err(Stuck(format!("{} crashed and is not started again", NODES[*node])).into());
                }
                sleep(limits::POLL).await;
            }
        }
        Ok(())
    }

    async fn stop(&mut self, nodes: &[usize]) -> anyhow::Result<()> {
        let containers = self.all(&["stop", "--time", "30"], nodes).await?;
        self.expect(&containers, "ExitCode", "0").await
    }

    async fn pause(&mut self, nodes: &[usize]) -> anyhow::Result<()> {
        for node in nodes {
            pause(&self.containers[*node]).await?;
        }
        self.expect(&self.containers(nodes), "Paused", "true").await
    }

    async fn resume(&mut self, nodes: &[usize]) -> anyhow::Result<()> {
        self.all(&["unpause"], nodes).await.map(drop)
    }

    async fn wipe(&mut self, node: usize) -> anyhow::Result<()> {
        docker(&["rm", "--force", &self.containers[node]]).await?;
        docker(&["volume", "rm", &format!("{}_{}", self.project.name(), NODES[node])]).await.map(drop)
    }

    async fn keep_log(&mut self, _: usize) -> anyhow::Result<()> {
        bail!("the containers' volumes are not touched")
    }

    async fn lose_tail(&mut self, _: usize) -> anyhow::Result<()> {
        bail!("the containers' volumes are not touched")
    }

    async fn cut_power(&mut self, _: &[usize]) -> anyhow::Result<()> {
        bail!("the containers share the machine's disk")
    }

    async fn disconnect(&mut self, nodes: &[usize]) -> anyhow::Result<()> {
        for container in self.containers(nodes) {
            docker(&["network", "disconnect", &format!("{}_peers", self.project.name()), &container]).await?;
            ensure!(!self.is_connected(&container).await?, "{container} is still connected to its peers");
        }
        Ok(())
    }

    async fn reconnect(&mut self, nodes: &[usize]) -> anyhow::Result<()> {
        for (node, container) in nodes.iter().zip(self.containers(nodes)) {
            let alias = format!("{}-peer", NODES[*node]);
            let network = format!("{}_peers", self.project.name());
            docker(&["network", "connect", "--alias", &alias, &network, &container]).await?;
            ensure!(self.is_connected(&container).await?, "{container} is not connected to its peers");
        }
        Ok(())
    }

    fn fill_disk(&mut self, _: usize) -> anyhow::Result<()> {
        bail!("containers share one disk")
    }

    fn make_room(&mut self, _: usize) -> anyhow::Result<()> {
        bail!("containers share one disk")
    }

    async fn lose_log(&mut self, _: usize) -> anyhow::Result<()> {
        bail!("the engine reads the logs")
    }

    fn set_clocks(&mut self, _: &[usize], _: i64) -> anyhow::Result<()> {
        bail!("containers have the machine's clock")
    }

    async fn recreate(&mut self, node: usize) -> anyhow::Result<()> {
        let before = self.containers[node].clone();
        self.project.compose(&["up", "-d", "--no-deps", "--force-recreate", NODES[node]]).await?;
        self.note_containers().await?;
        self.restarts[node] = 0;
        ensure!(self.containers[node] != before, "{} has its old container", NODES[node]);
        Ok(())
    }

    async fn rotate_certificates(&mut self) -> anyhow::Result<()> {
        self.secrets.rotate(&self.nodes, &self.containers).await
    }

    async fn add_guest(&mut self) -> anyhow::Result<String> {
        self.secrets.add_guest().await
    }

    async fn remove_guest(&mut self) -> anyhow::Result<()> {
        self.secrets.remove_guest().await
    }

    async fn snapshots_received(&self, node: usize) -> anyhow::Result<usize> {
        let log = log(&self.containers[node], "0").await?;
        Ok(log.matches("received a snapshot").count())
    }

    async fn ended(&mut self) -> anyhow::Result<Option<String>> {
        // The engine starts it again by itself: what counts is that this happened.
        for (node, name) in NODES.iter().enumerate() {
            let restarts = self.restart_count(node).await?;
            if restarts > self.restarts[node] {
                let times = restarts - self.restarts[node];
                return Ok(Some(format!("{name} ended by itself {times} times")));
            }
        }
        Ok(None)
    }

    async fn shut_down(&mut self) -> anyhow::Result<()> {
        self.project.compose(&["down", "--volumes"]).await?;
        self.is_down = true;
        Ok(())
    }
}

/// A run that was broken off leaves nothing behind either.
impl Drop for Compose {
    fn drop(&mut self) {
        if !self.is_down {
            let _ = self.project.command(&["down", "--volumes"]).output();
        }
    }
}

/// True where this program may kill what runs in a container.
fn may_crash() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Keeps other runs from a compose project, whose containers and volumes a run begins and ends with removing, as long as
/// the value lives.
///
/// # Errors
/// Another run has it.
pub fn alone(project: &str) -> anyhow::Result<File> {
    let path = std::env::temp_dir().join(format!("{project}.lock"));
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    file.try_lock().with_context(|| format!("another run uses the compose project {project}"))?;
    Ok(file)
}

/// The engine gives up on a container that does not stand still while it looks, as on a machine that has no time for it: then it
/// runs on, and the order was not carried out.
async fn pause(container: &str) -> anyhow::Result<()> {
    let mut left = limits::FREEZES;
    loop {
        left -= 1;
        match docker(&["pause", container]).await {
            Err(error) if left > 0 && error.to_string().contains("unable to freeze") => {}
            paused => return paused.map(drop),
        }
    }
}

async fn docker(arguments: &[&str]) -> anyhow::Result<String> {
    let mut command = std::process::Command::new("docker");
    command.args(arguments);
    run(command).await
}

/// What a container has said since then.
pub(super) async fn log(container: &str, since: &str) -> anyhow::Result<String> {
    let mut command = std::process::Command::new("sh");
    // A node says it on its standard error.
    command.args(["-c", "exec docker logs --since \"$0\" \"$1\" 2>&1", since, container]);
    run(command).await
}

async fn inspect(container: &str, format: &str) -> anyhow::Result<String> {
    Ok(docker(&["inspect", "--format", format, container]).await?.trim().to_owned())
}
