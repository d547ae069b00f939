use anyhow::bail;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::limits::{OPEN_FILES_ENOUGH, OPEN_FILES_LEAST};

/// How many files this process may have open, and who gets how many of them: connections and tables are what grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OpenFiles(usize);

impl OpenFiles {
    /// Lets this process open as many files as it may. The usual limit of 1,024 is there for programs that use select(2), and
    /// is meant to be raised.
    ///
    /// # Errors
    /// They are too few for a node.
    pub(crate) fn allow() -> anyhow::Result<OpenFiles> {
        let resource = Resource::RLIMIT_NOFILE;
        let Ok((soft, hard)) = getrlimit(resource) else { return Ok(OpenFiles(1_024)) };
        let most = hard.min(OPEN_FILES_ENOUGH).max(soft);
        let now = match setrlimit(resource, most, hard) {
            Ok(()) => most,
            Err(error) => {
                tracing::warn!(%error, soft, hard, "the limit on open files cannot be raised");
                soft
            }
        };
        OpenFiles::new(usize::try_from(now).unwrap_or(usize::MAX))
    }

    fn new(files: usize) -> anyhow::Result<OpenFiles> {
        if files < OPEN_FILES_LEAST {
            bail!(
                "open files: this process may have {files}, a node needs {OPEN_FILES_LEAST}, and one more for each client; raise \
                 the limit (ulimit -n, LimitNOFILE= of a systemd unit, ulimits: of a compose file)"
            );
        }
        Ok(OpenFiles(files))
    }

    pub(crate) fn all(self) -> usize {
        self.0
    }

    /// For clients.
    pub(crate) fn connections(self) -> usize {
        self.0 / 8 * 3
    }

    /// For the connections of peers to this node.
    pub(crate) fn peers(self) -> usize {
        self.0 / 8
    }

    /// For the log and the table.
    pub(crate) fn stores(self) -> usize {
        self.0 / 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_as_far_as_it_may_be() {
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, hard.min(300), hard).unwrap();
        let allowed = OpenFiles::allow().unwrap().all() as u64;
        assert_eq!(allowed, hard.min(OPEN_FILES_ENOUGH));
        assert_eq!(getrlimit(Resource::RLIMIT_NOFILE).unwrap(), (allowed, hard));
    }

    #[test]
    fn what_cannot_work_is_refused() {
        assert!(OpenFiles::new(OPEN_FILES_LEAST - 1).unwrap_err().to_string().contains("ulimit -n"));
        let least = OpenFiles::new(OPEN_FILES_LEAST).unwrap();
        assert!(least.connections() + least.peers() + least.stores() + 60 < OPEN_FILES_LEAST);
    }
}
