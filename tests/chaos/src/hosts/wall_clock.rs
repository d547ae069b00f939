use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use tokio::process::Command;

/// What is preloaded into a node, so that its wall clock can be set: in C, since that is how a program meets the clock.
const SHIM: &str = include_str!("../../shim/wall_clock.c");

/// The shim, compiled.
#[derive(Clone)]
pub(crate) struct Shim(PathBuf);

impl Shim {
    /// Compiles it into `dir`.
    ///
    /// # Errors
    /// There is no C compiler, or it fails.
    pub(crate) async fn make(dir: &Path) -> anyhow::Result<Shim> {
        let (source, library) = (dir.join("wall_clock.c"), dir.join("wall_clock.so"));
        tokio::fs::write(&source, SHIM).await?;
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source).arg("-ldl");
        let output = cc.output().await.context("cc cannot be run")?;
        ensure!(output.status.success(), "cc: {}", String::from_utf8_lossy(&output.stderr).trim());
        Ok(Shim(library))
    }
}

/// The wall clock of one node, over all its processes.
pub(crate) struct WallClock {
    shim: Shim,
    offset: PathBuf,
}

impl WallClock {
    /// A clock that is right, with what is to be read of it in a file of this name.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn new(shim: Shim, offset: PathBuf) -> anyhow::Result<WallClock> {
        std::fs::write(&offset, 0_i64.to_ne_bytes())?;
        Ok(WallClock { shim, offset })
    }

    /// The environment of a process that is to have this clock.
    pub(crate) fn environment(&self) -> [(&'static str, &Path); 2] {
        [("LD_PRELOAD", &self.shim.0), ("CHAOS_WALL_CLOCK", &self.offset)]
    }

    /// True where the process has this clock.
    ///
    /// # Errors
    /// There is no such process.
    pub(crate) fn is_of(&self, pid: impl std::fmt::Display) -> anyhow::Result<bool> {
        let maps = std::fs::read_to_string(format!("/proc/{pid}/maps"))?;
        Ok(maps.contains(&*self.offset.to_string_lossy()))
    }

    /// Sets it so many seconds before the machine's, for the process that runs too.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn set(&self, ahead: i64) -> anyhow::Result<()> {
        // In place: the process has the file mapped.
        let file = std::fs::File::options().write(true).open(&self.offset)?;
        Ok(file.write_all_at(&(ahead * 1_000_000_000).to_ne_bytes(), 0)?)
    }
}
