use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// As many as nobody needs more of.
const ENOUGH: u64 = 1 << 20;

/// Lets this process open as many files as it may, and says how many those are. Each connection is one and each file of the
/// table; the usual limit of 1,024 is there for programs that use select(2), and is meant to be raised.
pub(crate) fn allow() -> usize {
    let resource = Resource::RLIMIT_NOFILE;
    let Ok((soft, hard)) = getrlimit(resource) else { return 1_024 };
    let most = hard.min(ENOUGH).max(soft);
    let now = match setrlimit(resource, most, hard) {
        Ok(()) => most,
        Err(error) => {
            tracing::warn!(%error, soft, hard, "the limit on open files cannot be raised");
            soft
        }
    };
    usize::try_from(now).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_as_far_as_it_may_be() {
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, hard.min(300), hard).unwrap();
        let allowed = allow() as u64;
        assert_eq!(allowed, hard.min(ENOUGH));
        assert_eq!(getrlimit(Resource::RLIMIT_NOFILE).unwrap(), (allowed, hard));
    }
}
