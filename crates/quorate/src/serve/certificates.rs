use anyhow::Context;
use metrics::{Unit, describe_gauge, gauge};
use quorate_tls::{Identity, Kept, keep_fresh, lasts};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// The files that this node speaks TLS with. Who replaces one does not restart the node.
#[derive(Default)]
pub(crate) struct Certificates {
    own: Vec<(&'static str, Identity)>,
    look: watch::Sender<()>,
}

const EXPIRES: &str = "quorate_certificate_expires_seconds";

impl Certificates {
    /// This node's certificate for `of`, from now on: its end is a metric.
    pub(crate) fn own(&mut self, of: &'static str, identity: Identity) {
        self.keep(of, identity.clone());
        self.own.push((of, identity));
    }

    /// Follows files of `of`, from now on.
    pub(crate) fn keep(&self, of: &'static str, kept: impl Kept) {
        tokio::spawn(keep_fresh(of, kept, self.look.subscribe()));
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.own.is_empty()
    }

    /// Looks at once, from now on, whenever SIGHUP says so.
    ///
    /// # Errors
    /// It cannot be listened for.
    pub(crate) fn look_on_hang_up(&self) -> anyhow::Result<()> {
        let mut hang_up = signal(SignalKind::hangup()).context("SIGHUP")?;
        let look = self.look.clone();
        tokio::spawn(async move {
            while hang_up.recv().await.is_some() {
                look.send_replace(());
            }
        });
        Ok(())
    }

    /// How long each still lasts.
    pub(crate) fn record_metrics(&self) {
        describe_gauge!(
            EXPIRES,
            Unit::Seconds,
            "How long a certificate of this node lasts; 0: it has expired."
        );
        for (of, identity) in &self.own {
            gauge!(EXPIRES, "use" => *of).set(lasts(identity.expires_at()).as_secs_f64());
        }
    }
}
