use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Says in the log which of these files are open to everybody on this machine, though they are what keeps strangers out.
pub(super) fn warn_of_files<'a>(keys: impl Iterator<Item = &'a Path>, tokens: Option<&Path>) {
    let keys: BTreeSet<&Path> = keys.collect();
    for file in keys {
        if let Some(mode) = mode(file, READ | WRITE) {
            let file = file.display();
            tracing::warn!(%file, mode, "everybody on this machine can read or write this key, and so pass for this node: chmod 600");
        }
    }
    // There are only hashes in it.
    if let Some(file) = tokens
        && let Some(mode) = mode(file, WRITE)
    {
        let file = file.display();
        tracing::warn!(%file, mode, "everybody on this machine can write this file, and so make himself an administrator: chmod 600");
    }
}

/// Says in the log that others are told an address which is none to call.
pub(super) fn warn_of_advertised(http_addr: &str) {
    if is_nowhere(http_addr) {
        tracing::warn!(
            http_addr,
            "this is what others show as the address of this node, and nobody reaches it there: give --http-advertise HOST:PORT"
        );
    }
}

fn is_nowhere(http_addr: &str) -> bool {
    let authority = http_addr.rsplit_once("://").map_or(http_addr, |(_, authority)| authority);
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified())
}

/// What strangers may do with a file.
const READ: u32 = 0o004;
const WRITE: u32 = 0o002;

/// How its owner has it, if strangers may do one of these.
fn mode(file: &Path, one_of: u32) -> Option<String> {
    let mode = fs::metadata(file).ok()?.mode() & 0o7777;
    (mode & one_of != 0).then(|| format!("{mode:o}"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_is_open_if_strangers_may_what_they_should_not() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (is, key, tokens) in [
            (0o600, None, None),
            (0o640, None, None),
            (0o644, Some("644"), None),
            (0o602, Some("602"), Some("602")),
        ] {
            fs::set_permissions(file.path(), fs::Permissions::from_mode(is)).unwrap();
            assert_eq!(mode(file.path(), READ | WRITE).as_deref(), key, "{is:o}");
            assert_eq!(mode(file.path(), WRITE).as_deref(), tokens, "{is:o}");
        }
    }

    #[test]
    fn no_address_is_one_to_call() {
        for (addr, expected) in [
            ("https://0.0.0.0:8080", true),
            ("[::]:8080", true),
            ("10.0.0.1:8080", false),
            ("https://n1:8080", false),
        ] {
            assert_eq!(is_nowhere(addr), expected, "{addr}");
        }
    }
}
