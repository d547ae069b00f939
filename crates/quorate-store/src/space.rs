use std::io;
use std::path::Path;

use nix::sys::statvfs::statvfs;

/// How much room the file system of a directory has, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Its size.
    pub total: u64,
    /// What a process without privileges may still write.
    pub free: u64,
}

impl Space {
    /// Of the directory, or of where it will be made.
    ///
    /// # Errors
    /// The operating system does not say.
    pub fn of(dir: &Path) -> io::Result<Space> {
        let dir = std::path::absolute(dir)?;
        let there = dir.ancestors().find(|dir| dir.exists()).unwrap_or(&dir);
        let stat = statvfs(there)?;
        let bytes = |blocks: u64| blocks.saturating_mul(stat.fragment_size());
        Ok(Space { total: bytes(stat.blocks()), free: bytes(stat.blocks_available()) })
    }
}
