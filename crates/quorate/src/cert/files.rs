use std::fs::{self, DirBuilder, File, Permissions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use crate::limits::PEM_BYTES;

/// A certificate's file and its key's: `NAME.crt` and `NAME.key` in one directory.
pub(super) struct Pair {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

impl Pair {
    pub(super) fn of(directory: &Path, name: &str) -> Pair {
        let file = |end: &str| directory.join(format!("{name}.{end}"));
        Pair { certificate: file("crt"), key: file("key") }
    }

    /// What the two files say; `None` where there is neither.
    ///
    /// # Errors
    /// One cannot be read, or is there without the other.
    pub(super) fn read(&self) -> anyhow::Result<Option<(String, String)>> {
        match (read_if_there(&self.certificate)?, read_if_there(&self.key)?) {
            (Some(certificate), Some(key)) => Ok(Some((certificate, key))),
            (None, None) => Ok(None),
            (there, _) => {
                let (there, missing) = if there.is_some() {
                    (&self.certificate, &self.key)
                } else {
                    (&self.key, &self.certificate)
                };
                anyhow::bail!(
                    "{} is there without {}: bring that one back, or move the one that is left away",
                    there.display(),
                    missing.display()
                )
            }
        }
    }

    /// Puts both in their places: the key, which only its owner can read, before the certificate that tells of it.
    ///
    /// # Errors
    /// They cannot be written; or there are such files, and they are not to be replaced.
    pub(super) fn write(&self, certificate: &str, key: &str, replace: bool) -> anyhow::Result<()> {
        place(&self.key, key, PRIVATE, replace)?;
        place(&self.certificate, certificate, PUBLIC, replace)
    }
}

/// Who can read a key, and a certificate.
const PRIVATE: u32 = 0o600;
const PUBLIC: u32 = 0o644;

/// Puts a certificate that others may read in its place, unless there is a file already.
///
/// # Errors
/// It cannot be written.
pub(super) fn publish(path: &Path, certificate: &str) -> anyhow::Result<()> {
    place(path, certificate, PUBLIC, false)
}

/// Makes a directory that only its owner may enter, if it is not there.
///
/// # Errors
/// It cannot be made.
pub(super) fn make_directory(path: &Path) -> anyhow::Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.with_context(|| format!("cannot make {}", path.display()))
}

/// A file with certificates or a key.
///
/// # Errors
/// It cannot be read, or is no such file by its size.
pub(super) fn read(path: &Path) -> anyhow::Result<String> {
    read_if_there(path)?.with_context(|| format!("{} is not there", path.display()))
}

fn read_if_there(path: &Path) -> anyhow::Result<Option<String>> {
    let unreadable = || format!("cannot read {}", path.display());
    if !fs::exists(path).with_context(unreadable)? {
        return Ok(None);
    }
    let bytes = fs::metadata(path).with_context(unreadable)?.len();
    ensure!(bytes <= PEM_BYTES, "{} is no file of certificates: it has {bytes} bytes", path.display());
    fs::read_to_string(path).map(Some).with_context(unreadable)
}

/// Whoever reads it meanwhile sees all of it, or what was there before.
fn place(path: &Path, text: &str, mode: u32, replace: bool) -> anyhow::Result<()> {
    let unwritable = || format!("cannot write {}", path.display());
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(directory).with_context(unwritable)?;
    file.as_file().set_permissions(Permissions::from_mode(mode)).with_context(unwritable)?;
    file.write_all(text.as_bytes()).with_context(unwritable)?;
    file.as_file().sync_all().with_context(unwritable)?;
    let placed = if replace { file.persist(path) } else { file.persist_noclobber(path) };
    placed.map_err(|error| error.error).with_context(unwritable)?;
    File::open(directory).and_then(|directory| directory.sync_all()).with_context(unwritable)
}
