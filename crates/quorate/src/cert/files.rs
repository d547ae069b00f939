use std::fs::{self, DirBuilder, File, Permissions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use tempfile::NamedTempFile;

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

    /// Whether the key is there without its certificate, as it is left where [`Pair::write`] is interrupted: it serves nobody.
    ///
    /// # Errors
    /// They cannot be looked for.
    pub(super) fn is_key_alone(&self) -> anyhow::Result<bool> {
        Ok(is_there(&self.key)? && !is_there(&self.certificate)?)
    }

    /// Puts both in their places, once both are on the disk: the key, which only its owner can read, before the certificate that tells
    /// of it.
    ///
    /// # Errors
    /// They cannot be written; or there are such files, and they are not to be replaced.
    pub(super) fn write(&self, certificate: &str, key: &str, replace: bool) -> anyhow::Result<()> {
        let key = Waiting::write(&self.key, key, PRIVATE, replace)?;
        let certificate = Waiting::write(&self.certificate, certificate, PUBLIC, replace)?;
        key.place()?;
        certificate.place()
    }
}

/// Who can read a key, and a certificate.
const PRIVATE: u32 = 0o600;
const PUBLIC: u32 = 0o644;
/// A node's user may read its key by its group: that stays so.
const GROUP: u32 = 0o040;

/// Puts a certificate that others may read in its place, unless there is a file already.
///
/// # Errors
/// It cannot be written.
pub(super) fn publish(path: &Path, certificate: &str) -> anyhow::Result<()> {
    Waiting::write(path, certificate, PUBLIC, false)?.place()
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
    if !is_there(path)? {
        return Ok(None);
    }
    let bytes = fs::metadata(path).with_context(unreadable)?.len();
    ensure!(bytes <= PEM_BYTES, "{} is no file of certificates: it has {bytes} bytes", path.display());
    fs::read_to_string(path).map(Some).with_context(unreadable)
}

fn is_there(path: &Path) -> anyhow::Result<bool> {
    fs::exists(path).with_context(|| format!("cannot read {}", path.display()))
}

/// A file on the disk that is not in its place yet. Whoever reads that sees all of it, or what was there before.
struct Waiting<'a> {
    path: &'a Path,
    file: NamedTempFile,
    replace: bool,
}

impl Waiting<'_> {
    /// It belongs to whom the one belongs that it is to replace: the user that a node runs as can read its new key, too.
    fn write<'a>(path: &'a Path, text: &str, mode: u32, replace: bool) -> anyhow::Result<Waiting<'a>> {
        let unwritable = || format!("cannot write {}", path.display());
        let mut file = NamedTempFile::new_in(directory(path)).with_context(unwritable)?;
        let mut mode = mode;
        if replace && is_there(path)? {
            let old = fs::metadata(path).with_context(unwritable)?;
            mode |= old.mode() & GROUP;
            let (user, group) = (old.uid(), old.gid());
            fchown(file.as_file(), Some(user), Some(group)).with_context(|| {
                format!(
                    "cannot give another {} to user {user} and group {group}, whose it is: do this as that user, or as root",
                    path.display()
                )
            })?;
        }
        file.as_file().set_permissions(Permissions::from_mode(mode)).with_context(unwritable)?;
        file.write_all(text.as_bytes()).with_context(unwritable)?;
        file.as_file().sync_all().with_context(unwritable)?;
        Ok(Waiting { path, file, replace })
    }

    fn place(self) -> anyhow::Result<()> {
        let Waiting { path, file, replace } = self;
        let unwritable = || format!("cannot write {}", path.display());
        let placed = if replace { file.persist(path) } else { file.persist_noclobber(path) };
        placed.map_err(|error| error.error).with_context(unwritable)?;
        File::open(directory(path)).and_then(|directory| directory.sync_all()).with_context(unwritable)
    }
}

fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::chown;

    use super::*;

    #[test]
    fn where_a_certificate_cannot_be_written_the_old_key_stays() {
        let dir = tempfile::tempdir().unwrap();
        let pair = Pair::of(dir.path(), "n1");
        pair.write("old", "old", false).unwrap();
        let torn = Pair { certificate: dir.path().join("none/n1.crt"), ..Pair::of(dir.path(), "n1") };
        assert!(torn.write("new", "new", true).is_err());
        assert_eq!(pair.read().unwrap(), Some(("old".to_owned(), "old".to_owned())));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "nothing is left behind");
        pair.write("new", "new", true).unwrap();
        assert_eq!(pair.read().unwrap(), Some(("new".to_owned(), "new".to_owned())));
    }

    #[test]
    fn what_takes_the_place_of_a_file_can_be_read_by_whom_that_could() {
        let dir = tempfile::tempdir().unwrap();
        let pair = Pair::of(dir.path(), "n1");
        pair.write("old", "old", false).unwrap();
        fs::set_permissions(&pair.key, Permissions::from_mode(0o644)).unwrap();
        let is_root = chown(&pair.key, Some(7_070), Some(7_071)).is_ok();
        pair.write("new", "new", true).unwrap();
        let key = fs::metadata(&pair.key).unwrap();
        assert_eq!(key.mode() & 0o777, 0o640, "its group, and nobody else");
        if is_root {
            assert_eq!((key.uid(), key.gid()), (7_070, 7_071));
        }
    }
}
