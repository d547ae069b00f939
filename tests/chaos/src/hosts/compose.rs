use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use tokio::process::Command;

use super::ports::free_ports;
use super::{Host, Node};
use crate::fault::{Action, Fault, Victim};

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
        let program: &[&str] = if run("docker-compose", &["version"], &[]).await.is_ok() {
            &["docker-compose"]
        } else {
            &["docker", "compose"]
        };
        let ports = free_ports(NODES.len())?;
        let nodes = NODES
            .iter()
            .zip(&ports)
            .map(|(name, port)| Node { name: (*name).to_owned(), url: format!("http://127.0.0.1:{port}") });
        let settings = (1..).zip(&ports).map(|(node, port)| (format!("HTTP_PORT_N{node}"), port.to_string()));
        let settings = settings.chain([
            ("HTTP_BIND".to_owned(), "127.0.0.1".to_owned()),
            ("QUORATE_IMAGE".to_owned(), image.to_owned()),
        ]);
        let compose = Compose {
            file,
            project: project.to_owned(),
            _alone: alone,
            nodes: nodes.collect(),
            settings: settings.collect(),
            program,
            containers: Default::default(),
        };
        compose.compose(&["down", "--volumes", "--remove-orphans"]).await?;
        Ok(compose)
    }

    async fn compose(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let (program, first) = self.program.split_first().context("no compose")?;
        let file = self.file.to_str().context("the compose file's path is not text")?;
        let all: Vec<&str> = first
            .iter()
            .copied()
            .chain(["-p", &self.project, "-f", file])
            .chain(arguments.iter().copied())
            .collect();
        run(program, &all, &self.settings).await
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
            let found =
                docker(&["inspect", "--format", &format!("{{{{.State.{field}}}}}"), container]).await?;
            ensure!(found.trim() == value, "{field} of {container} is {}, not {value}", found.trim());
        }
        Ok(())
    }
}

impl Host for Compose {
    fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    fn faults(&self) -> Vec<Fault> {
        use Action::{Disconnect, Kill, Pause, Recreate, Restart, Wipe};
        use Victim::{All, Follower, Leader};
        [
            (Kill, Leader),
            (Kill, Follower),
            (Kill, All),
            (Pause, Leader),
            (Pause, Follower),
            (Disconnect, Leader),
            (Disconnect, Follower),
            (Restart, All),
            (Wipe, Follower),
            (Recreate, All),
        ]
        .map(|(action, victim)| Fault::new(action, victim))
        .into()
    }

    fn skipped(&self) -> Option<String> {
        None
    }

    async fn start(&mut self, nodes: &[usize]) -> anyhow::Result<()> {
        let names = nodes.iter().map(|node| NODES[*node]);
        let arguments: Vec<&str> =
            ["up", "-d", "--no-deps", "--no-recreate"].into_iter().chain(names).collect();
        self.compose(&arguments).await?;
        self.note_containers().await
    }

    async fn kill(&mut self, nodes: &[usize]) -> anyhow::Result<()> {
        let containers = self.all(&["kill", "--signal", "KILL"], nodes).await?;
        self.expect(&containers, "Running", "false").await
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
        }
        Ok(())
    }

    async fn reconnect(&mut self, nodes: &[usize]) -> anyhow::Result<()> {
        for (node, container) in nodes.iter().zip(self.containers(nodes)) {
            let alias = format!("{}-peer", NODES[*node]);
            let network = format!("{}_peers", self.project);
            docker(&["network", "connect", "--alias", &alias, &network, &container]).await?;
        }
        Ok(())
    }

    async fn recreate(&mut self, node: usize) -> anyhow::Result<()> {
        let before = self.containers[node].clone();
        self.compose(&["up", "-d", "--no-deps", "--force-recreate", NODES[node]]).await?;
        self.note_containers().await?;
        ensure!(self.containers[node] != before, "{} has its old container", NODES[node]);
        Ok(())
    }

    async fn snapshots_received(&self, node: usize) -> anyhow::Result<usize> {
        let log = docker(&["logs", &self.containers[node]]).await?;
        Ok(log.matches("received a snapshot").count())
    }

    async fn ended(&mut self) -> anyhow::Result<Option<String>> {
        // The engine starts it again by itself: what counts is that this happened.
        for (node, container) in NODES.iter().zip(self.containers.clone()) {
            let restarts = docker(&["inspect", "--format", "{{.RestartCount}}", &container]).await?;
            if restarts.trim() != "0" {
                return Ok(Some(format!("{node} ended by itself {} times", restarts.trim())));
            }
        }
        Ok(None)
    }

    async fn shut_down(&mut self) -> anyhow::Result<()> {
        self.compose(&["down", "--volumes"]).await.map(drop)
    }
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
    run("docker", arguments, &[]).await
}

async fn run(program: &str, arguments: &[&str], environment: &[(String, String)]) -> anyhow::Result<String> {
    let output = Command::new(program).args(arguments).envs(environment.iter().cloned()).output().await;
    let output = output.with_context(|| format!("{program} cannot be run"))?;
    if !output.status.success() {
        bail!("{program} {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
