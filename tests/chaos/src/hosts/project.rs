use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use super::order::run;

/// A compose file under a name of its own, which keeps it apart from one that somebody uses.
#[derive(Clone)]
pub(super) struct Project {
    file: PathBuf,
    name: String,
    /// `docker-compose`, or `docker compose`.
    program: &'static [&'static str],
    /// What the file takes from the environment.
    settings: Vec<(String, String)>,
}

impl Project {
    /// # Errors
    /// There is no such file.
    pub(super) async fn new(
        file: &Path,
        name: &str,
        settings: Vec<(String, String)>,
    ) -> anyhow::Result<Project> {
        let file = std::fs::canonicalize(file).with_context(|| format!("{}", file.display()))?;
        let mut v1 = Command::new("docker-compose");
        v1.arg("version");
        let program: &[&str] =
            if run(v1).await.is_ok() { &["docker-compose"] } else { &["docker", "compose"] };
        Ok(Project { file, name: name.to_owned(), program, settings })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether that is the program of old.
    pub(super) fn is_v1(&self) -> bool {
        self.program.len() == 1
    }

    /// Carries out a command of compose, and says what it prints.
    ///
    /// # Errors
    /// It fails.
    pub(super) async fn compose(&self, arguments: &[&str]) -> anyhow::Result<String> {
        run(self.command(arguments)).await
    }

    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.program[0]);
        command.args(&self.program[1..]).args(["-p", &self.name, "-f"]).arg(&self.file).args(arguments);
        command.envs(self.settings.iter().cloned());
        command
    }
}
