use std::path::PathBuf;

use anyhow::{Context, bail};
use quorate_node::PeerTls;
use quorate_node::planted::{Bug, planted};
use quorate_tls::{Identity, Trust, bind, keep_fresh};
use tokio::sync::watch;

/// The certificates by which a node of this name and its peers know each other: all three files, or none.
///
/// # Errors
/// A file is missing, or cannot be used, or no authority vouches for the certificate; the message names the setting.
pub(crate) fn open(
    name: &str,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    ca: Option<PathBuf>,
) -> anyhow::Result<Option<PeerTls>> {
    match (cert, key, ca) {
        (None, None, None) => Ok(None),
        (Some(cert), Some(key), Some(ca)) => {
            let identity = Identity::of(name, cert, key).context("peer-cert")?;
            let trust = Trust::open(ca).context("peer-ca")?;
            bind(&identity, &trust).context("peer-cert")?;
            Ok(Some(PeerTls { identity, trust }))
        }
        (cert, key, ca) => {
            let missing = [("peer-cert", cert), ("peer-key", key), ("peer-ca", ca)];
            let missing = missing.into_iter().find(|(_, file)| file.is_none()).map_or("", |(name, _)| name);
            bail!(
                "{missing}: nodes have certificates with --peer-cert, --peer-key and --peer-ca together, or none of them"
            )
        }
    }
}

/// Follows the files from now on, and looks at once whenever `look` changes.
pub(crate) fn follow(tls: &PeerTls, look: &watch::Receiver<()>) {
    tls.identity.warn_if_early("peer");
    if !planted(Bug::KeepCertificate) {
        tokio::spawn(keep_fresh("peer", tls.identity.clone(), look.clone()));
    }
    if !planted(Bug::KeepAuthority) {
        tokio::spawn(keep_fresh("peer_ca", tls.trust.clone(), look.clone()));
    }
}
