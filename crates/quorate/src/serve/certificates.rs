use metrics::gauge;
use quorate_tls::{Identity, Kept, keep_fresh, lasts};
use tokio::sync::watch;

/// The certificates that this node shows to clients. Who replaces one does not restart the node.
#[derive(Default)]
pub(crate) struct Certificates(Vec<(&'static str, Identity)>);

/// As the node's own metrics say it of those for peers.
const EXPIRES: &str = "quorate_certificate_expires_seconds";

impl Certificates {
    /// This node's certificate for `of`, from now on: its files are followed, its end is a metric.
    pub(crate) fn own(&mut self, of: &'static str, identity: Identity, look: &watch::Receiver<()>) {
        follow(of, identity.clone(), look);
        self.0.push((of, identity));
    }

    /// How long each still lasts.
    pub(crate) fn record_metrics(&self) {
        for (of, identity) in &self.0 {
            gauge!(EXPIRES, "use" => *of).set(lasts(identity.expires_at()).as_secs_f64());
        }
    }
}

/// Follows files of `of` from now on, and looks at once whenever `look` changes.
pub(crate) fn follow(of: &'static str, kept: impl Kept, look: &watch::Receiver<()>) {
    tokio::spawn(keep_fresh(of, kept, look.clone()));
}
