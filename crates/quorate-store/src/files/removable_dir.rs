use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// A directory that is removed when its last holder is gone, once it has been marked for that.
///
/// A generation of the job table and a snapshot both may be read while something newer takes their place.
#[derive(Debug)]
pub(crate) struct RemovableDir {
    path: PathBuf,
    remove: AtomicBool,
}

impl RemovableDir {
    /// A directory that stays.
    pub(crate) fn kept(path: PathBuf) -> RemovableDir {
        RemovableDir { path, remove: AtomicBool::new(false) }
    }

    /// A directory that goes, unless [`RemovableDir::keep`] is called.
    pub(crate) fn temporary(path: PathBuf) -> RemovableDir {
        RemovableDir { path, remove: AtomicBool::new(true) }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// It stays after the last holder.
    pub(crate) fn keep(&self) {
        self.remove.store(false, Ordering::Release);
    }

    /// It goes with the last holder.
    pub(crate) fn remove(&self) {
        self.remove.store(true, Ordering::Release);
    }
}

impl Drop for RemovableDir {
    fn drop(&mut self) {
        if !*self.remove.get_mut() {
            return;
        }
        let result = std::fs::remove_dir_all(&self.path);
        if let Err(error) = result
            && error.kind() != std::io::ErrorKind::NotFound
        {
            // Not fatal: the next start removes what is left over.
            tracing::warn!(path = %self.path.display(), %error, "could not remove a directory that is no longer used");
        }
    }
}
