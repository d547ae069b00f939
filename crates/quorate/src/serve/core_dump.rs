use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Has this process leave no dump of its memory when it dies: keys, tokens and payloads are in there. Who needs one raises the limit
/// of the process (`prlimit --core`). Where the kernel pipes dumps to a program, that program must heed the limit, as systemd's does.
pub(crate) fn forbid() {
    let hard = getrlimit(Resource::RLIMIT_CORE).map_or(0, |(_, hard)| hard);
    if let Err(error) = setrlimit(Resource::RLIMIT_CORE, 0, hard) {
        tracing::warn!(%error, "if this process dies, its memory may be written to the disk");
    }
}
