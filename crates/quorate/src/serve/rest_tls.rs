use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use quorate_tls::rustls::ServerConfig;
use quorate_tls::{Ends, Identity, Trust, keep_fresh, record_end};
use tokio::sync::watch;

/// What HTTPS is served with.
#[derive(Clone, Debug)]
pub(crate) struct RestTls {
    identity: Identity,
    clients: Option<Trust>,
}

impl RestTls {
    /// Both of a certificate and its key, or none; whose clients are served only where TLS is spoken.
    ///
    /// # Errors
    /// A file is missing, or cannot be used; the message names the setting.
    pub(crate) fn open(
        cert: Option<PathBuf>,
        key: Option<PathBuf>,
        clients: Option<PathBuf>,
    ) -> anyhow::Result<Option<RestTls>> {
        let (cert, key) = match (cert, key) {
            (Some(cert), Some(key)) => (cert, key),
            (None, None) => {
                ensure!(
                    clients.is_none(),
                    "tls-client-ca: it needs tls-cert and tls-key, which are not given"
                );
                return Ok(None);
            }
            (Some(_), None) => bail!("tls-cert: it needs tls-key, which is not given"),
            (None, Some(_)) => bail!("tls-key: it needs tls-cert, which is not given"),
        };
        let identity = Identity::open(cert, key).context("tls-cert")?;
        Ok(Some(RestTls {
            identity,
            clients: clients.map(Trust::open).transpose().context("tls-client-ca")?,
        }))
    }

    /// The file of its key.
    pub(crate) fn key_file(&self) -> &Path {
        self.identity.key_file()
    }

    /// How the gateway is to speak it.
    pub(crate) fn server(&self) -> Arc<ServerConfig> {
        Arc::new(quorate_tls::server(&self.identity, self.clients.as_ref(), &[b"h2", b"http/1.1"]))
    }

    /// Whose clients are served; `None`: whoever speaks TLS.
    pub(crate) fn clients(&self) -> Option<Trust> {
        self.clients.clone()
    }

    /// Follows the files from now on, and looks at once whenever `look` changes.
    pub(crate) fn follow(&self, look: &watch::Receiver<()>) {
        self.identity.warn_if_early("rest");
        tokio::spawn(keep_fresh("rest", self.identity.clone(), look.clone()));
        if let Some(clients) = self.clients.clone() {
            tokio::spawn(keep_fresh("rest_client_ca", clients, look.clone()));
        }
    }

    /// What ends of it.
    pub(crate) fn ends(&self) -> Vec<Ends> {
        let clients = self.clients.clone().map(Ends::Trust);
        [Ends::Identity(self.identity.clone())].into_iter().chain(clients).collect()
    }

    /// How long each still lasts.
    pub(crate) fn record_metrics(&self) {
        record_end("rest", self.identity.expires_at());
        if let Some(clients) = &self.clients {
            record_end("rest_client_ca", clients.expires_at());
        }
    }

    /// Warns where it is not for the host of `http_addr`: clients go by the name that they call a node by.
    pub(crate) fn tell_other_names(&self, http_addr: &str) {
        let authority = http_addr.trim_start_matches("https://");
        let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
        let ip = host.trim_matches(['[', ']']).parse::<IpAddr>();
        let is_called_otherwise = ip.is_ok_and(|ip| ip.is_unspecified());
        if !is_called_otherwise && !self.identity.is_for(host) {
            let names = self.identity.names();
            tracing::warn!(host, %names, "the certificate is not for the name by which http-advertise has clients call this node");
        }
    }
}
