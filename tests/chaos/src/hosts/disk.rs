use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use nix::errno::Errno;
use nix::fcntl::posix_fallocate;
use nix::sys::statvfs::statvfs;
use tokio::process::Command;

use crate::limits;

/// A small ext4 file system in a file, whose power can be cut.
///
/// SIGKILL loses nothing that was written: the kernel still has it. Here the file system itself is told to stop at
/// once, without writing what it still has in memory, so what was not fsynced is gone.
pub(crate) struct Disk {
    image: PathBuf,
    mount: PathBuf,
    mounted: bool,
    powered: bool,
}

/// The ioctl `EXT4_IOC_SHUTDOWN` with the flag `NOLOGFLUSH`. It has no command line tool everywhere, no safe wrapper
/// in Rust, and every Debian has Perl.
const SHUT_DOWN: &str = r#"
    open(my $dir, "<", $ARGV[0]) or die "$!\n";
    my $flags = pack("L", 2);
    ioctl($dir, 0x8004587d, $flags) or die "$!\n";
"#;

impl Disk {
    /// Makes it and mounts it.
    ///
    /// # Errors
    /// No root, no loop devices, or a tool is missing.
    pub(crate) async fn make(image: &Path, mount: &Path, bytes: u64) -> anyhow::Result<Disk> {
        let file =
            std::fs::File::create(image).with_context(|| format!("cannot write {}", image.display()))?;
        file.set_len(bytes)?;
        tool("mkfs.ext4", &["-q".as_ref(), "-F".as_ref(), image.as_os_str()]).await?;
        let mut disk =
            Disk { image: image.to_owned(), mount: mount.to_owned(), mounted: false, powered: true };
        disk.mount().await?;
        disk.mounted = true;
        Ok(disk)
    }

    async fn mount(&self) -> anyhow::Result<()> {
        tool("mount", &["-o".as_ref(), "loop".as_ref(), self.image.as_os_str(), self.mount.as_os_str()]).await
    }

    /// Fills it with another file, as somebody else would who shares it.
    ///
    /// # Errors
    /// It did not take hold.
    pub(crate) fn fill(&self) -> anyhow::Result<()> {
        let file = std::fs::File::create(self.filler())?;
        // No more than was free: what a node gives back when it notices is its own.
        let mut left = self.free()?;
        let (mut size, mut step) = (0, left);
        while step >= limits::FULL {
            match posix_fallocate(&file, i64::try_from(size)?, i64::try_from(step)?) {
                Ok(()) => (size, left) = (size + step, left - step),
                // The node has written something meanwhile.
                Err(Errno::ENOSPC) => step /= 2,
                Err(error) => return Err(error).context("cannot fill the disk"),
            }
            step = step.min(left);
        }
        ensure!(size > 0, "the disk was full already");
        Ok(())
    }

    /// Removes that file.
    ///
    /// # Errors
    /// It is not there.
    pub(crate) fn make_room(&self) -> anyhow::Result<()> {
        std::fs::remove_file(self.filler()).context("the disk was not filled")
    }

    /// Bytes that can be written.
    fn free(&self) -> anyhow::Result<u64> {
        let stat = statvfs(&self.mount)?;
        Ok(stat.blocks_available() * stat.fragment_size())
    }

    fn filler(&self) -> PathBuf {
        self.mount.join("filler")
    }

    /// Cuts the power: from now on nothing reaches the disk.
    ///
    /// # Errors
    /// It did not take hold.
    pub(crate) async fn cut(&mut self) -> anyhow::Result<()> {
        tool("perl", &["-e".as_ref(), SHUT_DOWN.as_ref(), self.mount.as_os_str()]).await?;
        self.powered = false;
        ensure!(std::fs::File::create(self.mount.join("probe")).is_err(), "the disk still takes writes");
        Ok(())
    }

    /// Gives power back if it was cut: what the journal has is replayed. Nobody must have files open.
    ///
    /// # Errors
    /// It cannot be unmounted or mounted.
    pub(crate) async fn power_up(&mut self) -> anyhow::Result<()> {
        if self.powered {
            return Ok(());
        }
        tool("umount", &[self.mount.as_os_str()]).await?;
        self.mount().await?;
        self.powered = true;
        Ok(())
    }

    /// Unmounts it and removes the file.
    ///
    /// # Errors
    /// It cannot be unmounted.
    pub(crate) async fn remove(mut self) -> anyhow::Result<()> {
        tool("umount", &[self.mount.as_os_str()]).await?;
        self.mounted = false;
        std::fs::remove_file(&self.image).context("cannot remove a disk image")
    }
}

impl Drop for Disk {
    /// For a run that ended early; lazily, since its nodes may not be gone yet.
    fn drop(&mut self) {
        if self.mounted {
            // Nothing can be done about an error here.
            let _ = std::process::Command::new("umount").arg("-l").arg(&self.mount).status();
        }
    }
}

async fn tool(name: &str, arguments: &[&std::ffi::OsStr]) -> anyhow::Result<()> {
    let output = Command::new(name).args(arguments).output().await;
    let output = output.with_context(|| format!("{name} cannot be run"))?;
    if !output.status.success() {
        bail!("{name}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
