use nix::sys::stat::{Mode, umask};

/// What this process makes from now on is its user's alone, also in a directory that others may look into: payloads are in it.
pub(crate) fn keep_files_private() {
    umask(Mode::S_IRWXG | Mode::S_IRWXO);
}
