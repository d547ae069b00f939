use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::Args;
use quorate_client::{Client, ClientConfig};

use crate::duration::{HumanDuration, within};
use crate::environment::{Item, items};
use crate::limits::DEADLINE;
use crate::runtime;
use crate::wrong_usage::wrong_usage;

/// The nodes of `quorate dev`.
pub(crate) const NODES: &str = "127.0.0.1:8080,127.0.0.1:8081,127.0.0.1:8082";

/// How the nodes know who speaks to them.
#[derive(Args, Clone)]
pub(crate) struct Token {
    /// The token to send. Other users of this machine see what stands on a command line: use the variable, or --token-file.
    #[arg(long, env = "QUORATE_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// A file with the token alone; it wins over a token.
    #[arg(long, env = "QUORATE_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl Token {
    /// The token, if there is one.
    ///
    /// # Errors
    /// The file cannot be read, or what is given can be no token.
    pub(crate) fn read(&self) -> anyhow::Result<Option<String>> {
        let (token, from) = match (&self.token, &self.token_file) {
            (None, None) => return Ok(None),
            (Some(token), None) => (token.clone(), "token"),
            (_, Some(path)) => {
                let read = std::fs::read_to_string(path);
                (read.with_context(|| format!("token-file: cannot read {}", path.display()))?, "token-file")
            }
        };
        let token = token.trim();
        let fits = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
        ensure!(fits, wrong_usage(format!("{from}: it is no token: those are visible ASCII without spaces")));
        Ok(Some(token.to_owned()))
    }
}

/// Which cluster to speak to, and how to print what it says.
#[derive(Args, Clone)]
pub(crate) struct Target {
    /// The nodes, HOST:PORT or URLs, separated by commas; any of them will do, more of them survive a dead one.
    #[arg(long, env = "QUORATE_NODES", value_delimiter = ',', value_name = "NODE,…", default_value = NODES)]
    pub(crate) nodes: Vec<Item<String>>,
    /// How long a command may take, retries included.
    #[arg(long, env = "QUORATE_DEADLINE", value_name = "DURATION", default_value = "10s", value_parser = within(DEADLINE))]
    pub(crate) deadline: HumanDuration,
    #[command(flatten)]
    pub(crate) token: Token,
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
        let client = self.client()?;
        runtime::on_one_thread(async { calls(&client).await.map_err(Into::into) })
    }

    fn client(&self) -> anyhow::Result<Client> {
        let HumanDuration(deadline) = self.deadline;
        let token = self.token.read()?;
        let config =
            ClientConfig { token, deadline, wait_for_nodes: false, ..ClientConfig::new(items(&self.nodes)) };
        Client::new(config).context("nodes")
    }
}
