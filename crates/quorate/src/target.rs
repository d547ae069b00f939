use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use quorate_client::{Client, ClientConfig};
use quorate_tls::{Identity, Trust};
use tokio::sync::watch;

use crate::duration::{HumanDuration, within};
use crate::environment::{Item, items};
use crate::limits::DEADLINE;
use crate::runtime;

/// The nodes of `quorate dev`.
pub(crate) const NODES: &str = "127.0.0.1:8080,127.0.0.1:8081,127.0.0.1:8082";

/// How the nodes know who speaks to them.
#[derive(Args, Clone)]
pub(crate) struct Token {
    /// The token to send. Other users of this machine see what stands on a command line: use the variable, or --token-file.
    #[arg(long, env = "QUORATE_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// A file with the token alone, which is followed; it wins over a token.
    #[arg(long, env = "QUORATE_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl Token {
    /// The token, if there is one.
    ///
    /// # Errors
    /// The file cannot be read, or what is given can be no token.
    pub(crate) fn read(&self) -> anyhow::Result<Option<quorate_client::Token>> {
        use quorate_client::Token;
        match (&self.token, &self.token_file) {
            (None, None) => Ok(None),
            (Some(token), None) => Token::new(token).context("token").map(Some),
            (_, Some(path)) => Token::open(path).context("token-file").map(Some),
        }
    }
}

/// How this program speaks TLS.
#[derive(Args, Clone, Default)]
pub(crate) struct Tls {
    /// Speak TLS to nodes whose certificate is of an authority in this PEM file, and to no others [default: to those with an https://
    /// in front, by the authorities that this machine trusts].
    #[arg(long, env = "QUORATE_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
    /// This program's certificate, in PEM, for nodes that ask for one.
    #[arg(long, env = "QUORATE_CERT", value_name = "FILE", requires = "cert_key")]
    cert: Option<PathBuf>,
    /// The key to it, in PEM.
    #[arg(long, env = "QUORATE_CERT_KEY", value_name = "FILE", requires = "cert")]
    cert_key: Option<PathBuf>,
}

impl Tls {
    /// Whether all is to go over TLS.
    fn is_given(&self) -> bool {
        self.ca.is_some() || self.cert.is_some()
    }

    /// A client's configuration that is of this kind.
    ///
    /// # Errors
    /// A file cannot be read, or is not what it should be.
    pub(crate) fn config(&self, nodes: &[String]) -> anyhow::Result<ClientConfig> {
        let trust = self.ca.as_ref().map(Trust::open).transpose().context("ca")?;
        let identity = self.cert.as_ref().zip(self.cert_key.as_ref());
        let identity = identity.map(|(cert, key)| Identity::open(cert, key)).transpose().context("cert")?;
        Ok(ClientConfig { trust, identity, ..ClientConfig::new(nodes) })
    }
}

/// Has a client follow its files, for as long as it goes on: the token's too.
pub(crate) fn keep_fresh(config: &ClientConfig) {
    if let Some(token) = config.token.clone() {
        tokio::spawn(token.keep_fresh());
    }
    // Nobody asks for a look besides.
    let (_, never) = watch::channel(());
    if let Some(trust) = config.trust.clone() {
        tokio::spawn(quorate_tls::keep_fresh("ca", trust, never.clone()));
    }
    if let Some(identity) = config.identity.clone() {
        tokio::spawn(quorate_tls::keep_fresh("cert", identity, never));
    }
}

/// Which cluster to speak to, and how to print what it says.
#[derive(Args, Clone)]
pub(crate) struct Target {
    /// The nodes, HOST:PORT or URLs (http://, https://), separated by commas; any of them will do, more of them survive a dead one.
    #[arg(long, env = "QUORATE_NODES", value_delimiter = ',', value_name = "NODE,…", default_value = NODES)]
    pub(crate) nodes: Vec<Item<String>>,
    /// How long a command may take, retries included.
    #[arg(long, env = "QUORATE_DEADLINE", value_name = "DURATION", default_value = "10s", value_parser = within(DEADLINE))]
    pub(crate) deadline: HumanDuration,
    #[command(flatten)]
    pub(crate) token: Token,
    #[command(flatten)]
    pub(crate) tls: Tls,
    /// Print JSON, for machines.
    #[arg(long)]
    pub(crate) json: bool,
}

impl Target {
    /// Runs calls on a client of this cluster.
    ///
    /// # Errors
    /// The calls', or the URLs are no URLs.
    pub(crate) fn block_on<T, E: Into<anyhow::Error>>(
        &self,
        calls: impl AsyncFnOnce(&Client) -> Result<T, E>,
    ) -> anyhow::Result<T> {
        runtime::on_one_thread(async {
            let client = self.lasting_client_of(items(&self.nodes))?;
            calls(&client).await.map_err(Into::into)
        })
    }

    /// A client of nodes that one of these has named, as this one would be otherwise.
    ///
    /// # Errors
    /// They are no nodes' URLs.
    pub(crate) fn client_of_named(&self, nodes: &[String]) -> anyhow::Result<Client> {
        self.lasting_client_of(self.spoken_to(nodes))
    }

    /// Where these are spoken to over TLS, those are, too: a node behind a proxy that ends TLS names addresses without.
    fn spoken_to(&self, named: &[String]) -> Vec<String> {
        let is_tls =
            self.tls.is_given() || items(&self.nodes).iter().any(|node| node.starts_with("https://"));
        let https = |node: &String| format!("https://{}", node.rsplit("://").next().unwrap_or(node));
        if is_tls { named.iter().map(https).collect() } else { named.to_vec() }
    }

    /// The same, of a client that is made where there is a runtime, on which it follows its files to the end.
    fn lasting_client_of(&self, nodes: Vec<String>) -> anyhow::Result<Client> {
        let config = self.config_of(&nodes)?;
        keep_fresh(&config);
        Client::new(config).context("nodes")
    }

    /// A client of these nodes, as this one would be otherwise, for a call.
    ///
    /// # Errors
    /// They are no nodes' URLs.
    pub(crate) fn client_of(&self, nodes: &[String]) -> anyhow::Result<Client> {
        Client::new(self.config_of(nodes)?).context("nodes")
    }

    fn config_of(&self, nodes: &[String]) -> anyhow::Result<ClientConfig> {
        let HumanDuration(deadline) = self.deadline;
        let token = self.token.read()?;
        Ok(ClientConfig { token, deadline, wait_for_nodes: false, ..self.tls.config(nodes)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_goes_over_tls_goes_nowhere_without() {
        let spoken_to = |nodes: &[&str], tls: Tls| {
            let target = Target {
                nodes: nodes.iter().map(|node| node.parse().unwrap()).collect(),
                deadline: "1s".parse().unwrap(),
                token: Token { token: Some("qt_x".to_owned()), token_file: None },
                tls,
                json: false,
            };
            target.spoken_to(&["n1:8080", "http://n2:8080", "https://n3:8080"].map(str::to_owned))
        };
        let secure = ["https://n1:8080", "https://n2:8080", "https://n3:8080"];
        let ca = Tls { ca: Some("ca.pem".into()), ..Tls::default() };
        assert_eq!(spoken_to(&["https://proxy", "n2:8080"], Tls::default()), secure);
        assert_eq!(spoken_to(&["n1:8080"], ca), secure);
        assert_eq!(spoken_to(&["n1:8080"], Tls::default())[0], "n1:8080");
    }
}
