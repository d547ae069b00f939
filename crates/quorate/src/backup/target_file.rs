use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use tempfile::{NamedTempFile, PersistError};

/// A file that is there once it is whole: until then it has another name, and goes if nothing comes of it.
pub(super) struct TargetFile {
    path: PathBuf,
    file: NamedTempFile,
    force: bool,
}

impl TargetFile {
    /// Begins it, beside where it will be.
    ///
    /// # Errors
    /// There is one already, and it is not to be replaced; or it cannot be written there.
    pub(super) fn begin(path: &Path, force: bool) -> anyhow::Result<TargetFile> {
        match path.symlink_metadata() {
            Ok(found) if !found.is_file() => {
                bail!("{} is no regular file: choose another name", path.display())
            }
            Ok(_) if !force => {
                bail!("{} is there already: choose another name, or replace it with --force", path.display())
            }
            Ok(_) | Err(_) => {}
        }
        let name = path.file_name().with_context(|| format!("{} is no name for a file", path.display()))?;
        let prefix = format!(".{}.", name.to_string_lossy());
        let file = tempfile::Builder::new().prefix(&prefix).suffix(".part").tempfile_in(directory(path));
        let file = file.with_context(|| format!("{} cannot be written", path.display()))?;
        Ok(TargetFile { path: path.to_owned(), file, force })
    }

    /// # Errors
    /// It cannot be written.
    pub(super) fn write(&mut self, piece: &[u8]) -> anyhow::Result<()> {
        self.file.write_all(piece).with_context(|| format!("{} cannot be written", self.path.display()))
    }

    /// It is whole, has its name, and is on disk when this returns.
    ///
    /// # Errors
    /// It cannot be written; or there is one by now, and it is not to be replaced.
    pub(super) fn complete(self) -> anyhow::Result<()> {
        let TargetFile { path, file, force } = self;
        let unwritten = || format!("{} cannot be written", path.display());
        file.as_file().sync_all().with_context(unwritten)?;
        let named = if force { file.persist(&path) } else { file.persist_noclobber(&path) };
        if let Err(PersistError { error, file }) = named {
            let (_, kept) = file.keep().with_context(unwritten)?;
            return Err(error)
                .with_context(|| format!("{}; the backup is whole, in {}", unwritten(), kept.display()));
        }
        File::open(directory(&path)).and_then(|directory| directory.sync_all()).with_context(unwritten)
    }
}

fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
