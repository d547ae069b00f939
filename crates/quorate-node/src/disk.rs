use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::statvfs::statvfs;

use crate::limits;
use crate::task::Tasks;

/// Whether the data directory's disk is full. Commands are refused while it is, early enough that what was accepted
/// still finds room.
#[derive(Clone)]
pub(crate) struct Disk(Arc<AtomicBool>);

impl Disk {
    /// Looks at the disk now and then; it is full with less than `reserve` free bytes.
    pub(crate) fn watch(dir: PathBuf, reserve: u64, tasks: &Tasks) -> Disk {
        let disk = Disk(Arc::new(AtomicBool::new(is_full(&dir, reserve))));
        let watched = disk.clone();
        tasks.spawn("disk watch", async move {
            let mut clock = tokio::time::interval(limits::DISK_WATCH);
            loop {
                clock.tick().await;
                let full = is_full(&dir, reserve);
                if watched.0.swap(full, Ordering::Relaxed) != full {
                    if full {
                        tracing::error!(reserve, dir = %dir.display(), "the disk is full: commands are refused");
                    } else {
                        tracing::info!("the disk has room again: commands are accepted");
                    }
                }
            }
        });
        disk
    }

    pub(crate) fn is_full(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

fn is_full(dir: &std::path::Path, reserve: u64) -> bool {
    match statvfs(dir) {
        Ok(stat) => stat.blocks_available().saturating_mul(stat.fragment_size()) < reserve,
        Err(error) => {
            tracing::warn!(%error, "cannot tell how full the disk is");
            false
        }
    }
}
