use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::{Instant, sleep};

use super::order::run;
use super::ports::free_ports;
use super::{Host, Node};
use crate::fault::{Action, Fault, Victim};
use crate::keys::Keys;
use crate::limits;
use crate::observe::Stuck;

const NODES: [&str; 3] = ["n1", "n2", "n3"];

/// The nodes of `deploy/compose.yaml`, without its runners: what is not in the history must not happen.
pub(crate) struct Compose {
    file: PathBuf,
    /// Its name keeps this stack apart from one that somebody uses.
    project: String,
    _alone: File,
    nodes: Vec<Node>,
    /// `docker-compose`, or `docker compose`.
    program: &'static [&'static str],
    /// What the compose file takes from the environment.
    settings: Vec<(String, String)>,
    /// The nodes' containers: to ask for them takes longer than a fault should.
    containers: [String; NODES.len()],
    /// How often the engine was made to start each of them again by itself, since somebody else did.
    restarts: [u64; NODES.len()],
    /// How many tokens guests have had.
    guests: u32,
    is_down: bool,
}

impl Compose {
    /// Looks whether there is a Docker engine and the image, and removes what an earlier run left.
    ///
    /// # Errors
    /// There is none, or another run has this project.
    pub(crate) async fn new(file: &Path, image: &str, project: &str) -> anyhow::Result<Compose> {
        let alone = alone(project)?;
        let file = std::fs::canonicalize(file).with_context(|| format!("{}", file.display()))?;
        docker(&["version"]).await.context("no Docker engine answers")?;
        let mut v1 = std::process::Command::new("docker-compose");
        v1.arg("version");
        let program: &[&str] =
            if run(v1).await.is_ok() { &["docker-compose"] } else { &["docker", "compose"] };
        let ports = free_ports(NODES.len())?;
        let nodes = NODES
            .iter()
            .zip(&ports)
            .map(|(name, port)| (name.to_string(), format!("https://127.0.0.1:{port}")))
            .map(|(name, url)| Node { name, url, keys: Keys::default() });
        let settings = (1..).zip(&ports).map(|(node, port)| (format!("HTTP_PORT_N{node}"), port.to_string()));
        let settings = settings.chain([
            ("HTTP_BIND".to_owned(), "127.0.0.1".to_owned()),
            ("QUORATE_IMAGE".to_owned(), image.to_owned()),
        ]);
        let mut compose = Compose {
            file,
            project: project.to_owned(),
            _alone: alone,
            nodes: nodes.collect(),
            settings: settings.collect(),
            program,
            containers: Default::default(),
            restarts: Default::default(),
            guests: 0,
            is_down: false,
        };
        compose.compose(&["down", "--volumes", "--remove-orphans"]).await?;
        let keys = compose.make_keys().await?;
        compose.nodes.iter_mut().for_each(|node| node.keys = keys.clone());
        Ok(compose)
    }

    /// Has certificates and tokens made, as the first `up` does.
    async fn make_keys(&mut self) -> anyhow::Result<Keys> {
        self.compose(&["run", "--rm", "-T", "secrets"]).await?;
        let of_admin = ["token", "ca.crt"].map(|file| format!("/etc/quorate/admin/{file}"));
        let show = ["run", "--rm", "-T", "--entrypoint", "cat", "quorate", &of_admin[0], &of_admin[1]];
        let shown = self.compose(&show).await?;
        let (token, ca) = shown.split_once('\n').context("a token and a certificate")?;
        Keys::of_one(token.trim(), self.add_guest().await?, ca)
    }

    /// Has a command change the tokens that all nodes know.
    async fn token(&self, command: &[&str]) -> anyhow::Result<String> {
        let token = ["run", "--rm", "-T", "--entrypoint", "quorate", "secrets", "token"];
        self.compose(&[&token[..], command, &["--tokens", "nodes/tokens"]].concat()).await
    }

    async fn compose(&self, arguments: &[&str]) -> anyhow::Result<String> {
        run(self.command(arguments)).await
    }

    fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = std::process::Command::new(self.program[0]);
        command.args(&self.program[1..]).args(["-p", &self.project, "-f"]).arg(&self.file).args(arguments);
        command.envs(self.settings.iter().cloned());
        command
    }

    async fn container(&self, node: usize) -> anyhow::Result<String> {
        // v1 lists a stopped container, v2 only with `--all`.
        let all: &[&str] = if self.program.len() > 1 { &["ps", "-q", "--all"] } else { &["ps", "-q"] };
        let arguments: Vec<&str> = all.iter().copied().chain([NODES[node]]).collect();
        let id = self.compose(&arguments).await?.trim().to_owned();
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
        Ok(networks.contains(&format!("\"{}_peers\"", self.project)))
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
        use Action::{Crash, Disconnect, Kill, Pause, Recreate, Restart, RevokeToken, Wipe};
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
        self.compose(&arguments).await?;
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
        let containers = self.all(&["pause"], nodes).await?;
        self.expect(&containers, "Paused", "true").await
    }

    async fn resume(&mut self, nodes: &[usize]) -> anyhow::Result<()> {
        self.all(&["unpause"], nodes).await.map(drop)
    }

    async fn wipe(&mut self, node: usize) -> anyhow::Result<()> {
        docker(&["rm", "--force", &self.containers[node]]).await?;
        docker(&["volume", "rm", &format!("{}_{}", self.project, NODES[node])]).await.map(drop)
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
            docker(&["network", "disconnect", &format!("{}_peers", self.project), &container]).await?;
            ensure!(!self.is_connected(&container).await?, "{container} is still connected to its peers");
        }
        Ok(())
    }

    async fn reconnect(&mut self, nodes: &[usize]) -> anyhow::Result<()> {
        for (node, container) in nodes.iter().zip(self.containers(nodes)) {
            let alias = format!("{}-peer", NODES[*node]);
            let network = format!("{}_peers", self.project);
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
        self.compose(&["up", "-d", "--no-deps", "--force-recreate", NODES[node]]).await?;
        self.note_containers().await?;
        self.restarts[node] = 0;
        ensure!(self.containers[node] != before, "{} has its old container", NODES[node]);
        Ok(())
    }

    async fn rotate_certificates(&mut self) -> anyhow::Result<()> {
        bail!("the containers' certificates stay as they were made")
    }

    async fn add_guest(&mut self) -> anyhow::Result<String> {
        self.guests += 1;
        let name = format!("guests-{}", self.guests);
        let token = self.token(&["new", "--name", &name, "--role", "submit,run,read"]).await?;
        Ok(token.trim().to_owned())
    }

    async fn remove_guest(&mut self) -> anyhow::Result<()> {
        self.token(&["remove", &format!("guests-{}", self.guests - 1)]).await.map(drop)
    }

    async fn snapshots_received(&self, node: usize) -> anyhow::Result<usize> {
        let log = docker(&["logs", &self.containers[node]]).await?;
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
        self.compose(&["down", "--volumes"]).await?;
        self.is_down = true;
        Ok(())
    }
}

/// A run that was broken off leaves nothing behind either.
impl Drop for Compose {
    fn drop(&mut self) {
        if !self.is_down {
            let _ = self.command(&["down", "--volumes"]).output();
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

async fn docker(arguments: &[&str]) -> anyhow::Result<String> {
    let mut command = std::process::Command::new("docker");
    command.args(arguments);
    run(command).await
}

async fn inspect(container: &str, format: &str) -> anyhow::Result<String> {
    Ok(docker(&["inspect", "--format", format, container]).await?.trim().to_owned())
}
