use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{FallocateFlags, fallocate};

/// The name of the file in a data directory.
pub(crate) const BALLAST: &str = "ballast";
/// What `stat` counts in.
const BLOCK_BYTES: u64 = 512;

/// A file without content that keeps some of the disk for the node: given back when somebody else has filled the disk,
/// it is the room in which the node starts, makes room, and takes what makes room.
#[derive(Debug)]
pub struct Ballast {
    path: PathBuf,
    held: u64,
}

impl Ballast {
    /// The ballast of a data directory, whether there is one yet or not.
    pub fn of(dir: &Path) -> Ballast {
        let path = dir.join(BALLAST);
        let held = path.metadata().map_or(0, |found| found.blocks() * BLOCK_BYTES);
        Ballast { path, held }
    }

    /// The bytes that it keeps.
    pub fn held(&self) -> u64 {
        self.held
    }

    /// Makes it keep so many bytes. It keeps none if it cannot keep all.
    ///
    /// # Errors
    /// There is no room, or the file system cannot do it.
    pub fn take(&mut self, bytes: u64) -> io::Result<()> {
        let length = i64::try_from(bytes).map_err(io::Error::other)?;
        let file = self.open()?;
        if let Err(error) = fallocate(&file, FallocateFlags::empty(), 0, length) {
            self.give_back()?;
            return Err(error.into());
        }
        self.held = file.metadata()?.blocks() * BLOCK_BYTES;
        Ok(())
    }

    /// Gives back what it keeps. The file stays: to make one might need room.
    ///
    /// # Errors
    /// The operating system refuses.
    pub fn give_back(&mut self) -> io::Result<()> {
        let file = self.open()?;
        file.set_len(0)?;
        // Freed blocks are of use once the file system has noted that they are free.
        file.sync_all()?;
        self.held = 0;
        Ok(())
    }

    fn open(&self) -> io::Result<File> {
        OpenOptions::new().create(true).truncate(false).write(true).open(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn it_keeps_room_over_a_restart_and_gives_it_back() {
        let dir = TempDir::new().unwrap();
        let mut ballast = Ballast::of(dir.path());
        assert_eq!(ballast.held(), 0);
        if ballast.take(1 << 20).is_err() {
            return; // not every file system can keep room
        }
        assert!(ballast.held() >= 1 << 20);
        let mut again = Ballast::of(dir.path());
        assert_eq!(again.held(), ballast.held());
        again.give_back().unwrap();
        assert_eq!((again.held(), Ballast::of(dir.path()).held()), (0, 0));
    }
}
