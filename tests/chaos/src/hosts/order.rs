use anyhow::{Context, bail};
use tokio::process::Command;
use tokio::time::timeout;

use crate::limits;

/// Carries out a command, and says what it prints.
///
/// # Errors
/// It cannot be run, does not end in time, or fails: what it says of that.
pub(super) async fn run(command: std::process::Command) -> anyhow::Result<String> {
    let what = format!("{command:?}");
    let output = Command::from(command).kill_on_drop(true).output();
    let output = timeout(limits::ORDER, output).await.with_context(|| format!("{what} does not end"))?;
    let output = output.with_context(|| format!("{what} cannot be run"))?;
    if !output.status.success() {
        bail!("{what}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
