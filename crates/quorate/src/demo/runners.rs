use std::path::Path;
use std::process::Stdio;

use anyhow::Context;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};

use super::work::Programs;

/// Two runner processes that prefer different nodes and know them all.
pub(super) struct Runners(Vec<Child>);

impl Runners {
    pub(super) fn start(urls: &[String], programs: &Programs, dir: &Path) -> anyhow::Result<Runners> {
        let orders = [[1, 2, 0], [2, 0, 1]];
        let children = orders.iter().enumerate().map(|(number, order)| {
            let nodes: Vec<&str> = order.iter().filter_map(|n| urls.get(*n)).map(String::as_str).collect();
            let log = dir.join(format!("runner{}.log", number + 1));
            let log = std::fs::File::create(&log)
                .with_context(|| format!("data-dir: cannot write {}", log.display()))?;
            let mut command = Command::new(std::env::current_exe().context("cannot find this program")?);
            command.arg("run").args(["--in-order", "--concurrency", "2", "--nodes", &nodes.join(",")]);
            for program in programs.allow_list() {
                command.args(["--program", program]);
            }
            // The nodes of the demo are without TLS.
            for setting in ["CA", "CERT", "CERT_KEY"] {
                command.env_remove(format!("QUORATE_{setting}"));
            }
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(true);
            command.spawn().context("cannot start a runner")
        });
        Ok(Runners(children.collect::<anyhow::Result<_>>()?))
    }

    /// Lets them finish what runs.
    pub(super) async fn stop(self) {
        for mut child in self.0 {
            if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) {
                // It may have ended by itself.
                let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
            }
            let _ = child.wait().await;
        }
    }
}
